import type { Context, ErrorHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { isServiceError, type Fault, type ServiceError } from '../core/errors.js';
import type { Logger } from './dependencies.js';

export const statuses: Record<Fault, ContentfulStatusCode> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  missing: 404,
  conflict: 409,
  gone: 410,
  too_large: 413,
  busy: 429,
  rejected: 502,
  unavailable: 503,
};

export const titles: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  410: 'Gone',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
};

/** Answers what routes throw. Unknown errors are defects: they are logged with their cause, but hidden from the caller. */
export function createProblemHandler(logger: Logger): ErrorHandler {
  return (error, c) => {
    if (isServiceError(error)) return answerFault(c, error);
    if (error instanceof HTTPException) return answerProblem(c, error.status, error.message);
    if (c.req.raw.signal.aborted) {
      return answerProblem(c, 400, 'The client disconnected before the request was complete.');
    }
    logger.error(
      { err: error, method: c.req.method, path: c.req.path },
      'request failed by a defect',
    );
    return answerProblem(
      c,
      500,
      'The service failed with an unexpected error. Its log has the details.',
    );
  };
}

/** RFC 7807, with the members that CFS always sends. */
export function answerProblem(
  c: Context,
  status: ContentfulStatusCode,
  detail: string,
  title = titles[status] ?? 'Error',
): Response {
  return c.body(JSON.stringify({ type: 'about:blank', title, status, detail }), status, {
    'content-type': 'application/problem+json',
  });
}

function answerFault(c: Context, error: ServiceError): Response {
  const status = statuses[error.fault];
  if (error.fault === 'unauthenticated') c.header('WWW-Authenticate', 'Bearer');
  if (error.fault === 'busy' || error.fault === 'unavailable') c.header('Retry-After', '1');
  return answerProblem(c, status, error.message, error.title);
}
