import type { Logger } from '../process/logger.js';
import { removeLeftovers } from '../runner/leftovers.js';

/**
 * Returns a function that removes what jobs have put aside. Calls run one after the other and never fail: what cannot be
 * removed is logged, and tried again at the next call.
 */
export function createClearing(directory: string, logger: Logger): () => Promise<void> {
  const { signal } = new AbortController();
  let last = Promise.resolve();
  return () => {
    last = last
      .then(() => removeLeftovers(directory, signal))
      .catch((error: unknown) =>
        logger.warn({ err: error, directory }, 'what image jobs have left cannot be removed'),
      );
    return last;
  };
}
