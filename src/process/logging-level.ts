import type { Store } from '../store/store.js';
import type { Logger } from './logger.js';

const levels = { DEBUG: 'debug', INFO: 'info', WARNING: 'warn', ERROR: 'error' } as const;

/** Keeps the logger at the level of the option `logging_level`, whoever changes it. Returns a function that stops it. */
export function followLoggingLevel(
  store: Pick<Store, 'options' | 'subscribe'>,
  logger: Pick<Logger, 'level' | 'warn'>,
): () => void {
  let isReading = false;
  let isStale = false;
  const read = async () => {
    isStale = true;
    if (isReading) return;
    isReading = true;
    while (isStale) {
      isStale = false;
      try {
        logger.level = levels[(await store.options.get()).loggingLevel];
      } catch (error) {
        logger.warn({ err: error }, 'the logging level could not be read');
      }
    }
    isReading = false;
  };
  void read();
  return store.subscribe(({ kind }) => {
    if (kind === 'any') void read();
  });
}
