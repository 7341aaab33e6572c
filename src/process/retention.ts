import type { LocalRunner } from '../runner/local.js';
import type { Store } from '../store/store.js';
import type { Logger } from './logger.js';

export interface RetentionOptions {
  readonly runner: Pick<LocalRunner, 'list' | 'remove' | 'removeLeftovers'>;
  readonly store: Store;
  readonly logger: Logger;
  readonly retentionSeconds: number;
}

const MAX_INTERVAL_MS = 60_000;

/**
 * Removes this machine's jobs when their session has been over for the retention time, and what half-done removals and
 * preparations left: at start, then by timer.
 */
export function startRetention(options: RetentionOptions) {
  const abort = new AbortController();
  let sweeping = Promise.resolve();
  const sweep = () => {
    sweeping = sweeping.then(() => sweepOnce(options, abort.signal));
  };
  sweep();
  const timer = setInterval(
    sweep,
    Math.min(MAX_INTERVAL_MS, Math.max(1000, options.retentionSeconds * 1000)),
  );
  return {
    async close() {
      clearInterval(timer);
      abort.abort();
      await sweeping;
    },
  };
}

async function sweepOnce(options: RetentionOptions, signal: AbortSignal): Promise<void> {
  const { runner, logger } = options;
  const attempt = async (act: () => Promise<void>, message: string, about: object = {}) => {
    try {
      await act();
    } catch (error) {
      if (!signal.aborted) logger.warn({ err: error, ...about }, message);
    }
  };
  const remove = (jobId: string) =>
    attempt(() => runner.remove(jobId, signal), 'a job directory could not be removed', {
      job: jobId,
    });
  await attempt(
    () => removeExpired(options, remove, signal),
    'expired job directories could not be found',
  );
  await attempt(
    () => runner.removeLeftovers(signal),
    'leftovers in the job directory could not be removed',
  );
}

async function removeExpired(
  { runner, store, retentionSeconds }: RetentionOptions,
  remove: (jobId: string) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const before = new Date(Date.now() - retentionSeconds * 1000).toISOString();
  for await (const { jobId } of runner.list(signal)) {
    const session = await store.sessions.get(jobId);
    if (session?.completedAt !== undefined && session.completedAt <= before) await remove(jobId);
  }
}
