import type { MiddlewareHandler } from 'hono';
import { ServiceError } from '../core/errors.js';

/** Handles at most `max` requests at once and refuses further ones as `busy`; `what` names them in the message. */
export function limitConcurrency(max: number, what: string): MiddlewareHandler {
  let running = 0;
  return async (_c, next) => {
    if (running >= max) throw new ServiceError('busy', `${max} ${what} are already being handled.`);
    running += 1;
    try {
      await next();
    } finally {
      running -= 1;
    }
  };
}
