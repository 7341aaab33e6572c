import type { Worker } from '@temporalio/worker';
import type { Logger } from './logger.js';

export interface RunningWorkers {
  /** Settles when all have ended, and rejects as soon as one has failed. */
  readonly ended: Promise<void>;
  /** Has all end what they are doing, also those beside one that has failed. */
  close(): Promise<void>;
}

export function runWorkers(
  workers: readonly Pick<Worker, 'run' | 'shutdown' | 'getState'>[],
  logger: Pick<Logger, 'error'>,
): RunningWorkers {
  const runs = workers.map((worker) => worker.run());
  const ended = Promise.all(runs).then(() => undefined);
  // Told at once, because the others may take long to end, and because nobody waits for `ended` once the process closes.
  ended.catch((error: unknown) => logger.error({ err: error }, 'a Temporal worker failed'));
  return {
    ended,
    async close() {
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
      await Promise.allSettled(runs);
    },
  };
}
