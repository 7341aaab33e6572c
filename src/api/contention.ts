import { setTimeout } from 'node:timers/promises';
import { isServiceError } from '../core/errors.js';

/** CFS gives up after the same time. */
const PATIENCE_MS = 60_000;
const LONGEST_PAUSE_MS = 50;

/**
 * Repeats an act that reads a record and saves it only if nobody has changed it meanwhile. Whenever it must be repeated, somebody
 * else has succeeded. The pauses differ, so that many callers do not meet again and again.
 */
export async function repeatWhileChanged<T>(act: () => Promise<T>): Promise<T> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      const isChanged = isServiceError(error) && error.fault === 'conflict';
      if (!isChanged || performance.now() > end) throw error;
    }
    await setTimeout(Math.random() * LONGEST_PAUSE_MS);
  }
}
