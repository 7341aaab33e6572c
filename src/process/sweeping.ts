import { Worker, type WorkerOptions } from '@temporalio/worker';
import type { ImageDependencies } from '../activities/dependencies.js';
import { createCycleActivities, toWait } from '../activities/cycles.js';
import { createRetentionActivities } from '../activities/retention.js';
import type { SweepDependencies, SweepObserver } from '../activities/sweep-dependencies.js';
import { createSweepActivities } from '../activities/sweep-activities.js';
import type { HardwareClient, Orchestrator } from '../clients/interfaces.js';
import { toBatcherWorkflow, toHardwareSyncWorkflow, toSweepQueue } from '../core/names.js';
import type { Store } from '../store/store.js';
import type { Logger } from './logger.js';
import { createRemovalClock } from './removal-clock.js';
import { startRepetition } from './repetition.js';

export interface SweepingOptions {
  readonly store: Store;
  readonly orchestrator: Orchestrator;
  readonly logger: Logger;
  /** The time by the clock that all processes share. */
  readonly now: () => string;
  readonly intervalSeconds: number;
  readonly observer: SweepObserver;
  readonly hardware: HardwareClient;
  /** Absent if there is no image management service. */
  readonly images?: ImageDependencies;
  /** Hands over the ends of sessions to webhooks. */
  readonly handOver?: SweepDependencies['handOver'];
  readonly machine?: string;
  /** Throws if the disk has no room for the sessions of the batcher. */
  readonly requireRoom: () => Promise<void>;
  /** Options of the worker that sweeps. */
  readonly worker: Partial<WorkerOptions>;
}

const ENSURE_MS = 30_000;

/**
 * Starts a worker for the queue of sweep, retention and cycles, and makes their Schedules and workflows. It checks those again
 * regularly, because an emptied Temporal has lost them, and because options start cycles.
 */
export async function startSweeping({
  store,
  orchestrator,
  logger,
  now,
  intervalSeconds,
  observer,
  hardware,
  images,
  handOver,
  machine,
  requireRoom,
  worker: options,
}: SweepingOptions) {
  const deploymentId = await store.deploymentId();
  const id = toSweepQueue(deploymentId);
  const ensure = async () => {
    try {
      await orchestrator.scheduleSweep({ id, intervalSeconds });
      await orchestrator.scheduleRetention(deploymentId);
      await startCycles(store, orchestrator, deploymentId);
    } catch (error) {
      logger.warn({ err: error }, 'sweep, retention or cycles could not be started, tried again');
    }
  };
  const { first, close } = startRepetition(ensure, ENSURE_MS);
  await first;
  const worker = await Worker.create({
    ...options,
    taskQueue: id,
    maxConcurrentActivityTaskExecutions: 4,
    activities: {
      ...createSweepActivities({
        ...{ store, orchestrator, logger, now, observer },
        ...(images === undefined ? {} : { images }),
        ...(handOver === undefined ? {} : { handOver }),
        ...(machine === undefined ? {} : { machine }),
      }),
      ...createRetentionActivities({ store, logger, now: createRemovalClock(store) }),
      ...createCycleActivities({ store, hardware, logger, now, requireRoom }),
    },
  });
  return { worker, close };
}

/** Starts the workflows that the options ask for. They end by themselves when their option says so. */
async function startCycles(
  store: Store,
  orchestrator: Orchestrator,
  deploymentId: string,
): Promise<void> {
  const { batcher, batcherCheckInterval, hwsync, hardwareSyncInterval } = await store.options.get();
  const taskQueue = toSweepQueue(deploymentId);
  if (batcher === 'internal')
    await orchestrator.startCycle({
      ...{ type: 'BatcherWorkflow', id: toBatcherWorkflow(deploymentId), taskQueue },
      summary: 'configure nodes that wait for it',
      restSeconds: toWait(batcherCheckInterval),
    });
  if (hwsync === 'internal')
    await orchestrator.startCycle({
      ...{ type: 'HardwareSyncWorkflow', id: toHardwareSyncWorkflow(deploymentId), taskQueue },
      summary: 'make components of new nodes',
      restSeconds: toWait(hardwareSyncInterval),
    });
}
