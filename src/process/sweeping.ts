import { Worker, type WorkerOptions } from '@temporalio/worker';
import type { ImageDependencies } from '../activities/dependencies.js';
import { createRetentionActivities } from '../activities/retention.js';
import type { SweepObserver } from '../activities/sweep.js';
import { createSweepActivities } from '../activities/sweep-activities.js';
import type { Orchestrator } from '../clients/interfaces.js';
import { toSweepQueue } from '../core/names.js';
import type { Store } from '../store/store.js';
import type { Logger } from './logger.js';

export interface SweepingOptions {
  readonly store: Store;
  readonly orchestrator: Orchestrator;
  readonly logger: Logger;
  readonly intervalSeconds: number;
  readonly observer: SweepObserver;
  /** Absent: there is no image management service. */
  readonly images?: ImageDependencies;
  /** Of the worker that sweeps. */
  readonly worker: Partial<WorkerOptions>;
}

const ENSURE_MS = 30_000;

/**
 * A worker for the queue that sweep and retention have of their own, and their Schedules: made at start and looked after from
 * then on, because a Temporal that was emptied has lost them with everything else.
 */
export async function startSweeping({
  store,
  orchestrator,
  logger,
  intervalSeconds,
  observer,
  images,
  worker: options,
}: SweepingOptions) {
  const deploymentId = await store.deploymentId();
  const id = toSweepQueue(deploymentId);
  const now = () => new Date().toISOString();
  const ensure = async () => {
    try {
      await orchestrator.scheduleSweep({ id, intervalSeconds });
      await orchestrator.scheduleRetention(deploymentId);
    } catch (error) {
      logger.warn({ err: error }, 'sweep and retention could not be scheduled, tried again');
    }
  };
  await ensure();
  const timer = setInterval(() => void ensure(), ENSURE_MS);
  const worker = await Worker.create({
    ...options,
    taskQueue: id,
    maxConcurrentActivityTaskExecutions: 2,
    activities: {
      ...createSweepActivities({
        ...{ store, orchestrator, logger, now, observer },
        ...(images === undefined ? {} : { images }),
      }),
      ...createRetentionActivities({ store, logger, now }),
    },
  });
  return { worker, close: () => clearInterval(timer) };
}
