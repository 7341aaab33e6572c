import type { MiddlewareHandler } from 'hono';
import { ServiceError } from '../core/errors.js';

/** What comes while so many are being taken is refused at once: it would only wait, and make all others wait longer. */
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
