import { toGroups, type Batch } from '../core/batch.js';
import { isServiceError } from '../core/errors.js';
import type { BatchLogger } from './batch-dependencies.js';

/** How many batches and components are read at a time, and how many components are sent. */
export const PAGE = 1_000;

/** Returns the sum of the counts. A group that fails is tried one by one, so that a bad batch does not hold back the others. */
export async function actInGroups<T extends Pick<Batch, 'id' | 'size'>>(
  logger: BatchLogger,
  batches: readonly T[],
  act: (group: readonly T[]) => Promise<number>,
  signal: AbortSignal,
): Promise<number> {
  let count = 0;
  for (const group of toGroups(batches, PAGE)) {
    signal.throwIfAborted();
    count += await act(group).catch((error: unknown) => {
      if (isAway(error)) throw error;
      return actOneByOne(logger, group, act, signal);
    });
  }
  return count;
}

export async function actOneByOne<T extends Pick<Batch, 'id'>>(
  logger: BatchLogger,
  group: readonly T[],
  act: (group: readonly T[]) => Promise<number>,
  signal: AbortSignal,
): Promise<number> {
  let count = 0;
  for (const one of group) {
    signal.throwIfAborted();
    count += await act([one]).catch((error: unknown) => {
      if (isAway(error)) throw error;
      logger.warn({ err: error, batch: one.id }, 'a batch fails; it is tried again');
      return 0;
    });
  }
  return count;
}

/** Whether the database does not answer. */
function isAway(error: unknown): boolean {
  return isServiceError(error) && error.fault === 'unavailable';
}
