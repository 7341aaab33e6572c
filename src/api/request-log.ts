import type { MiddlewareHandler } from 'hono';
import type { Logger } from './dependencies.js';

const QUIET = /^(?:GET|HEAD|OPTIONS) |^[A-Z]+ \/jobs\//;

/** One line per request. Neither query, body nor header appear: they may hold what is nobody's business. */
export function createRequestLog(logger: Logger): MiddlewareHandler {
  return async (c, next) => {
    const begin = performance.now();
    await next();
    const { method, path } = c.req;
    const fields = {
      method,
      path,
      status: c.res.status,
      durationMs: Math.round(performance.now() - begin),
    };
    if (QUIET.test(`${method} ${path}`)) logger.debug(fields, 'request answered');
    else logger.info(fields, 'request answered');
  };
}
