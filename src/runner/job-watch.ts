import { watch, type FSWatcher } from 'node:fs';
import { EventEmitter, once } from 'node:events';
import type { JobPaths } from './job-directory.js';

const LIVENESS_MILLISECONDS = 1000;

export interface JobWatch {
  /**
   * Calls `look` until it returns a value: at once, after every event in the job's directory, and every second, because the
   * death of a supervisor makes no event, and some file systems make none at all.
   */
  until<T>(paths: JobPaths, signal: AbortSignal, look: () => Promise<T | undefined>): Promise<T>;
  close(): void;
}

/** Uses one timer for all jobs that are waited for. Without waits there is neither a timer nor a watch. */
export function createJobWatch(): JobWatch {
  const waiting = new Set<EventEmitter>();
  const closed = new AbortController();
  let timer: NodeJS.Timeout | undefined;

  function join(waiter: EventEmitter) {
    waiting.add(waiter);
    timer ??= setInterval(() => {
      for (const each of waiting) each.emit('change');
    }, LIVENESS_MILLISECONDS);
  }

  function leave(waiter: EventEmitter) {
    waiting.delete(waiter);
    if (waiting.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  }

  return {
    async until(paths, signal, look) {
      const waiter = new EventEmitter();
      const over = AbortSignal.any([signal, closed.signal]);
      const watches = [paths.directory, paths.phases].flatMap((path) => watchPath(path, waiter));
      join(waiter);
      try {
        for (;;) {
          over.throwIfAborted();
          // Listens before it looks, so that no change is missed.
          const changed = waitForChange(waiter, over);
          const found = await look();
          if (found !== undefined) return found;
          await changed;
        }
      } finally {
        leave(waiter);
        waiter.emit('change');
        for (const each of watches) each.close();
      }
    },
    close() {
      closed.abort(new Error('The runner is closed.'));
    },
  };
}

async function waitForChange(waiter: EventEmitter, signal: AbortSignal): Promise<void> {
  await once(waiter, 'change', { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

/** Without the directory, or when the machine has no watches left, the timer alone must do. */
function watchPath(path: string, waiter: EventEmitter): readonly FSWatcher[] {
  try {
    const watcher = watch(path, () => waiter.emit('change'));
    watcher.on('error', () => undefined);
    return [watcher];
  } catch {
    return [];
  }
}
