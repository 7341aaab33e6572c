import { watch, type FSWatcher } from 'node:fs';
import { EventEmitter, once } from 'node:events';
import type { JobPaths } from './job-directory.js';

const LIVENESS_MILLISECONDS = 1000;

export interface JobWatch {
  /**
   * Calls `look` until it answers: at once, after every event in the job's directory, and each second, because neither the
   * death of a supervisor nor every file system makes an event.
   */
  until<T>(paths: JobPaths, signal: AbortSignal, look: () => Promise<T | undefined>): Promise<T>;
  close(): void;
}

/** One timer for all jobs that are waited for; no timer and no watch when there are none. */
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
          // Armed before the look, so that what changes during it is not missed.
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

/** Without the directory, or without watches left on this machine, the timer alone must do. */
function watchPath(path: string, waiter: EventEmitter): readonly FSWatcher[] {
  try {
    const watcher = watch(path, () => waiter.emit('change'));
    watcher.on('error', () => undefined);
    return [watcher];
  } catch {
    return [];
  }
}
