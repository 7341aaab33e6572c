import type { MiddlewareHandler } from 'hono';
import { ServiceError } from '../core/errors.js';

/**
 * So many are taken at once; the next wait for a place, first come first served, but not for long: then they are told to come
 * again. Refusing at once would cost more than waiting where clients come again at once.
 */
export function limitConcurrency(max: number, what: string, waitMs = 0): MiddlewareHandler {
  // One for all: whoever refuses thousands a second has no time to note from where.
  const refusal = new ServiceError('busy', `${max} ${what} are being taken already.`);
  let running = 0;
  const waiting = new Set<() => void>();
  const waitForPlace = () =>
    new Promise<boolean>((resolve) => {
      const end = (isGiven: boolean) => {
        clearTimeout(timer);
        waiting.delete(take);
        resolve(isGiven);
      };
      const take = () => end(true);
      const timer = setTimeout(() => end(false), waitMs);
      waiting.add(take);
    });
  const leave = () => {
    const [next] = waiting;
    if (next === undefined) running -= 1;
    else next();
  };
  return async (_c, next) => {
    if (running < max) running += 1;
    else if (!(await waitForPlace())) throw refusal;
    try {
      await next();
    } finally {
      leave();
    }
  };
}
