import { removeOld } from '../activities/removal.js';
import type { Store } from '../store/store.js';
import type { Logger } from './logger.js';
import { createRemovalClock } from './removal-clock.js';
import { startRepetition } from './repetition.js';

/** The interval of the Schedule that does the same in a deployment with Temporal. */
const INTERVAL_MS = 300_000;

/** Removes old data in a deployment without workers: at once, then by timer. */
export function startRemoving(store: Store, logger: Logger): { close(): Promise<void> } {
  const closing = new AbortController();
  const now = createRemovalClock(store);
  const remove = async () => {
    try {
      await removeOld({ store, now, logger }, closing.signal);
    } catch (error) {
      if (!closing.signal.aborted) logger.warn({ err: error }, 'old data could not be removed');
    }
  };
  const { close } = startRepetition(remove, INTERVAL_MS);
  return {
    async close() {
      closing.abort();
      await close();
    },
  };
}
