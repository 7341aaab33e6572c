import { Worker, type WorkerOptions } from '@temporalio/worker';
import type { ImageDependencies } from '../activities/dependencies.js';
import { createCycleActivities } from '../activities/cycles.js';
import { createRetentionActivities } from '../activities/retention.js';
import type { SweepObserver } from '../activities/sweep-dependencies.js';
import { createSweepActivities } from '../activities/sweep-activities.js';
import type { HardwareClient, Orchestrator } from '../clients/interfaces.js';
import { toBatcherWorkflow, toHardwareSyncWorkflow, toSweepQueue } from '../core/names.js';
import type { Store } from '../store/store.js';
import type { Logger } from './logger.js';

export interface SweepingOptions {
  readonly store: Store;
  readonly orchestrator: Orchestrator;
  readonly logger: Logger;
  /** By the clock that all processes share. */
  readonly now: () => string;
  readonly intervalSeconds: number;
  readonly observer: SweepObserver;
  readonly hardware: HardwareClient;
  /** Absent: there is no image management service. */
  readonly images?: ImageDependencies;
  /** Of ends of sessions. */
  readonly handOver?: (signal: AbortSignal) => Promise<void>;
  readonly machine?: string;
  /** Of the batcher. */
  readonly requireRoom: () => Promise<void>;
  /** Options of the worker that sweeps. */
  readonly worker: Partial<WorkerOptions>;
}

const ENSURE_MS = 30_000;

/**
 * A worker for the queue that sweep, retention and cycles have of their own, and their Schedules and workflows: made at start
 * and looked after from then on, because a Temporal that was emptied has lost them with everything else, and because options
 * begin a cycle.
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
  await ensure();
  const timer = setInterval(() => void ensure(), ENSURE_MS);
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
      ...createRetentionActivities({ store, logger, now: () => store.sweep.clock() }),
      ...createCycleActivities({ store, hardware, logger, now, requireRoom }),
    },
  });
  return { worker, close: () => clearInterval(timer) };
}

/** Each workflow ends by itself when its option says so. */
async function startCycles(
  store: Store,
  orchestrator: Orchestrator,
  deploymentId: string,
): Promise<void> {
  const { batcher, hwsync } = await store.options.get();
  const taskQueue = toSweepQueue(deploymentId);
  if (batcher === 'internal')
    await orchestrator.startCycle({
      ...{ type: 'BatcherWorkflow', id: toBatcherWorkflow(deploymentId), taskQueue },
      summary: 'configure nodes that wait for it',
    });
  if (hwsync === 'internal')
    await orchestrator.startCycle({
      ...{ type: 'HardwareSyncWorkflow', id: toHardwareSyncWorkflow(deploymentId), taskQueue },
      summary: 'make components of new nodes',
    });
}
