import { Worker, type WorkerOptions } from '@temporalio/worker';
import type { Registry } from 'prom-client';
import { handOver, handOverRest } from '../activities/notification-handover.js';
import {
  createDeliveryActivities,
  createSettlementActivities,
  type SettlementActivities,
} from '../activities/notifications.js';
import type { HandoverRun } from '../activities/sweep-dependencies.js';
import type { Orchestrator } from '../clients/interfaces.js';
import { createWebhookClient } from '../clients/webhook.js';
import { toWebhookQueue } from '../core/names.js';
import { omitUndefined } from '../core/omit-undefined.js';
import { createWebhookMetrics } from '../metrics/webhook-metrics.js';
import type { Store } from '../store/store.js';
import type { Logger } from './logger.js';
import { createRemovalClock } from './removal-clock.js';

export interface NotifyingOptions {
  readonly store: Store;
  readonly orchestrator: Orchestrator;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly now: () => string;
  /** Absent: there are no webhooks. */
  readonly webhooksFile?: string;
  /** URL at which people reach the API. */
  readonly publicUrl?: string;
}

export interface Notifying {
  /** For the queue that every worker serves, because a worker without webhooks also ends what another has begun. */
  readonly activities: SettlementActivities;
  /** Called by the sweep. Absent if there are no webhooks. */
  readonly handOver?: (run: HandoverRun) => Promise<void>;
  /** Creates the workers that call webhooks, and from now on hands over notes as they become due. */
  start(worker: Partial<WorkerOptions>): Promise<readonly Worker[]>;
  close(): Promise<void>;
}

/** Deliveries that one worker attempts at the same time. Each holds a connection for at most ten seconds. */
const MOST_OPEN = 100;

/** Throws a readable sentence if the file cannot be used. */
export async function openNotifying(options: NotifyingOptions): Promise<Notifying> {
  const { store, logger, registry, webhooksFile } = options;
  if (webhooksFile === undefined) {
    const untold = await store.notifications.turnOff();
    if (untold > 0)
      logger.warn(
        { untold },
        'WEBHOOKS_FILE is no longer set: webhooks are not told about these ends',
      );
    const observer = createWebhookMetrics(registry, store, [], logger);
    return {
      activities: createSettlementActivities({ store, logger, observer }),
      start: () => Promise.resolve([]),
      close: () => Promise.resolve(),
    };
  }
  return openWebhooks(options, webhooksFile);
}

async function openWebhooks(
  { store, orchestrator, logger, registry, now, publicUrl }: NotifyingOptions,
  file: string,
): Promise<Notifying> {
  const webhooks = createWebhookClient({
    ...{ file, now },
    ...omitUndefined({ publicUrl }),
  });
  const names = (await webhooks.list()).map(({ name }) => name);
  await store.notifications.turnOn();
  const observer = createWebhookMetrics(registry, store, names, logger);
  const shared = { store, logger, observer };
  const removalTime = createRemovalClock(store);
  const handover = { store, orchestrator, webhooks, logger, now, removalTime };
  const prompt = createPrompt((signal) => handOver(handover, toPromptRun(signal, logger)), logger);
  let unsubscribe: () => void = () => undefined;
  return {
    activities: createSettlementActivities(shared),
    async handOver(run) {
      if (!run.dryRun && (await store.notifications.turnOn()))
        logger.warn(
          {},
          'a worker without WEBHOOKS_FILE had turned webhooks off; they are on again',
        );
      await handOverRest(handover, run);
    },
    async start(worker) {
      const queue = await Worker.create({
        ...worker,
        taskQueue: toWebhookQueue(await store.deploymentId()),
        maxConcurrentActivityTaskExecutions: MOST_OPEN,
        activities: createDeliveryActivities({ ...shared, webhooks }),
      });
      unsubscribe = store.subscribe(({ kind }) => {
        if (kind === 'end' || kind === 'any') prompt.wake();
      });
      prompt.wake();
      return [queue];
    },
    async close() {
      unsubscribe();
      await prompt.close();
    },
  };
}

/** Only what a sweep hands over is noted, because that was left. */
function toPromptRun(signal: AbortSignal, logger: Logger): HandoverRun {
  return {
    dryRun: false,
    signal,
    note: () => undefined,
    fail: ({ message, session, jobId }, error) =>
      logger.warn({ err: error, session, jobId }, message),
  };
}

/**
 * Runs `act` once for all wake-ups that come while it waits or runs. What fails is left to the sweep and to the next wake-up.
 */
function createPrompt(act: (signal: AbortSignal) => Promise<void>, logger: Logger) {
  const closing = new AbortController();
  let isWoken = false;
  /** The last logged failure; it is not repeated, because there may be several wake-ups per second. */
  let complaint = '';
  let running = Promise.resolve();
  const run = async () => {
    isWoken = false;
    try {
      await act(closing.signal);
      complaint = '';
    } catch (error) {
      const { message } = error as Error;
      if (closing.signal.aborted || message === complaint) return;
      complaint = message;
      logger.warn({ err: error }, 'ends of sessions could not be handed over to webhooks yet');
    }
  };
  return {
    wake() {
      if (isWoken) return;
      isWoken = true;
      running = running.then(run);
    },
    close() {
      closing.abort();
      return running;
    },
  };
}
