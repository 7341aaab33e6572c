import { setTimeout } from 'node:timers/promises';
import { isServiceError } from '../core/errors.js';

/** As long as CFS tries. */
const PATIENCE_MS = 60_000;
const LONGEST_PAUSE_MS = 50;

/**
 * Repeats an act that reads a record and saves it only if the record has not changed meanwhile. An act is repeated only because
 * another one has succeeded. The pauses are random, so that callers do not collide again and again.
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
