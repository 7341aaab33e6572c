import type { MiddlewareHandler } from 'hono';
import { ServiceError } from '../core/errors.js';

/** So many are taken at once; the next are told to come again. */
export function limitConcurrency(max: number, what: string): MiddlewareHandler {
  let running = 0;
  return async (_c, next) => {
    if (running >= max) throw new ServiceError('busy', `${max} ${what} are being taken already.`);
    running += 1;
    try {
      await next();
    } finally {
      running -= 1;
    }
  };
}
