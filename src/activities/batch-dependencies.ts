import type { Store } from '../store/store.js';
import type { Logger } from './dependencies.js';

export interface BatchLogger extends Logger {
  warn(fields: object, message: string): void;
}

export interface BatchDependencies {
  readonly store: Store;
  readonly logger: BatchLogger;
  readonly now: () => string;
  /** Throws fault `unavailable` while there is no room for new sessions. */
  readonly requireRoom?: () => Promise<void>;
}
