import type { MiddlewareHandler } from 'hono';
import type { Logger } from './dependencies.js';

const QUIET = /^(?:GET|HEAD|OPTIONS) |^[A-Z]+ \/jobs\//;

/** Logs one line per request, without its query, body and headers, which may contain secrets. */
export function createRequestLog(logger: Logger): MiddlewareHandler {
  return async (c, next) => {
    const begin = performance.now();
    await next();
    const durationMs = Math.round(performance.now() - begin);
    // After the answer is sent, because writing a line may take a tenth of the time of a request.
    setImmediate(() => {
      const { method, path } = c.req;
      const fields = { method, path, status: c.res.status, durationMs };
      if (QUIET.test(`${method} ${path}`)) logger.debug(fields, 'request answered');
      else logger.info(fields, 'request answered');
    });
  };
}
