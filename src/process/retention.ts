import type { Runner } from '../runner/runner.js';
import type { Store } from '../store/store.js';
import type { Logger } from './logger.js';

export interface RetentionOptions {
  readonly runner: Runner;
  readonly store: Store;
  readonly logger: Logger;
  readonly retentionSeconds: number;
}

const MAX_INTERVAL_MS = 60_000;

/** Removes this machine's jobs when their session has been over for the retention time: at start, then by timer. */
export function startRetention({ runner, store, logger, retentionSeconds }: RetentionOptions) {
  const abort = new AbortController();
  let sweeping = Promise.resolve();
  const sweep = () => {
    sweeping = sweeping.then(async () => {
      try {
        await removeExpired(runner, store, retentionSeconds, abort.signal);
      } catch (error) {
        if (!abort.signal.aborted)
          logger.warn({ err: error }, 'job directories could not be removed');
      }
    });
  };
  sweep();
  const timer = setInterval(
    sweep,
    Math.min(MAX_INTERVAL_MS, Math.max(1000, retentionSeconds * 1000)),
  );
  return {
    async close() {
      clearInterval(timer);
      abort.abort();
      await sweeping;
    },
  };
}

async function removeExpired(
  runner: Runner,
  store: Store,
  retentionSeconds: number,
  signal: AbortSignal,
): Promise<void> {
  const before = new Date(Date.now() - retentionSeconds * 1000).toISOString();
  for await (const { jobId } of runner.list(signal)) {
    const session = await store.sessions.get(jobId);
    if (session?.completedAt !== undefined && session.completedAt <= before)
      await runner.remove(jobId, signal);
  }
}
