import type { StoreDialect } from './dialect.js';
import type { Change } from '../store.js';

export interface ChangeFeed {
  /** Call it after the commit. */
  readonly publish: (changes: readonly Change[]) => void;
  readonly subscribe: (listener: (change: Change) => void) => () => void;
  readonly close: () => void;
}

/** Listeners hear of this process's commits at once, and of others' through `watch`, which runs only while somebody listens. */
export function createChangeFeed({
  watch,
  announce,
}: Pick<StoreDialect, 'watch' | 'announce'>): ChangeFeed {
  const listeners = new Set<{ readonly notify: (change: Change) => void }>();
  let unwatch: (() => void) | undefined;

  const tell = (changes: readonly Change[]) => {
    for (const change of changes) {
      // Queued, so that a listener that throws does not make a committed write look failed.
      for (const { notify } of listeners) queueMicrotask(() => notify(change));
    }
  };
  const close = () => {
    listeners.clear();
    unwatch?.();
    unwatch = undefined;
  };
  return {
    publish(changes) {
      tell(changes);
      announce?.(changes);
    },
    subscribe(notify) {
      const entry = { notify };
      listeners.add(entry);
      unwatch ??= watch((change) => tell([change]));
      return () => {
        listeners.delete(entry);
        if (listeners.size === 0) close();
      };
    },
    close,
  };
}
