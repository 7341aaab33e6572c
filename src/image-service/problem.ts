import type { Context, ErrorHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { statuses, titles } from '../api/problem.js';
import { invalid, isServiceError } from '../core/errors.js';
import type { Logger } from '../process/logger.js';

/** IMS's errors for a body that does not match the schema: a list of messages per field, nested like the fields. */
export type FieldErrors = { readonly [field: string]: readonly string[] | FieldErrors };

export function unprocessable(detail: string, errors?: FieldErrors): HTTPException {
  return new HTTPException(422, { message: detail, cause: errors });
}

/** For facts that IMS answers with 400 in one operation and with 422 in another. */
export function refusal(status: 400 | 422, detail: string): Error {
  return status === 400 ? invalid(detail) : unprocessable(detail);
}

/** Like IMS, uses two media types: most errors are problems, but what the framework refuses is a plain message. */
export function createErrorHandler(logger: Logger): ErrorHandler {
  return (error, c) => {
    if (isServiceError(error)) return answerProblem(c, statuses[error.fault], error.message);
    if (error instanceof HTTPException) {
      const { status, message, cause } = error;
      if (status !== 422) return c.json({ message }, status);
      return answerProblem(c, status, message, cause as FieldErrors | undefined);
    }
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC')
      return answerProblem(c, 503, 'The disk of the image service is full.');
    const { method, path } = c.req;
    logger.error({ err: error, method, path }, 'request failed by a defect');
    return c.json({ message: toTitle(500) }, 500);
  };
}

/** Like IMS, without `type`. */
export function answerProblem(
  c: Context,
  status: ContentfulStatusCode,
  detail: string,
  errors?: FieldErrors,
): Response {
  const body = { status, title: toTitle(status), detail, ...(errors && { errors }) };
  return c.body(JSON.stringify(body), status, { 'content-type': 'application/problem+json' });
}

export function answerWrongMethod(c: Context, detail: string): Response {
  const title = toTitle(405);
  return c.json({ message: detail, status: 405, title, detail }, 405);
}

function toTitle(status: number): string {
  return status === 422 ? 'Unprocessable Entity' : (titles[status] ?? 'Error');
}
