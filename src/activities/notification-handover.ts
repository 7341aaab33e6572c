import type { Orchestrator, WebhookClient } from '../clients/interfaces.js';
import { isServiceError } from '../core/errors.js';
import { toNotificationWorkflow, toWebhookQueue } from '../core/names.js';
import { isWanted } from '../core/notification.js';
import type { DueNotification, Store } from '../store/store.js';
import { atMost } from './at-most.js';
import type { NotificationLogger } from './notifications.js';

export interface HandoverDependencies {
  readonly store: Pick<Store, 'notifications' | 'deploymentId'>;
  readonly orchestrator: Pick<Orchestrator, 'startNotification'>;
  readonly webhooks: Pick<WebhookClient, 'list'>;
  readonly logger: NotificationLogger;
  readonly now: () => string;
}

const PAGE = 100;
const AT_ONCE = 10;
/** Twice as long as a webhook is tried: whatever was to tell it was terminated. */
const FORGET_MS = 172_800_000;

/**
 * Gives Temporal what is due. It may be done by several at once, and broken off after any step: what Temporal has already it
 * does not begin again. Fault `unavailable` where somebody does not answer, and the rest is left for the next time.
 */
export async function handOver(
  dependencies: HandoverDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { store, now } = dependencies;
  const deploymentId = await store.deploymentId();
  let afterId: string | undefined;
  do {
    signal.throwIfAborted();
    const due = await store.notifications.listDue({
      limit: PAGE,
      ...(afterId === undefined ? {} : { afterId }),
    });
    if (due.length === 0) return;
    afterId = due.length < PAGE ? undefined : due.at(-1)?.jobId;
    const webhooks = await dependencies.webhooks.list();
    const ends = await atMost(AT_ONCE, due, async (notification) => {
      const names = webhooks
        .filter(({ when }) => isWanted(when, notification.succeeded))
        .map(({ name }) => name);
      if (names.length === 0) return 'unwanted';
      return handOverOne(dependencies, deploymentId, notification, names);
    });
    const pick = (kind: string) =>
      due.filter((_, index) => ends[index] === kind).map(({ jobId }) => jobId);
    if (pick('unwanted').length > 0) await store.notifications.remove(pick('unwanted'));
    if (pick('handed').length > 0)
      await store.notifications.recordHandedOver(pick('handed'), now());
  } while (afterId !== undefined);
}

/** Removes what was handed over so long ago that nothing can be about to tell it. */
export async function forgetOld({ store, now, logger }: HandoverDependencies): Promise<void> {
  const before = new Date(Date.parse(now()) - FORGET_MS).toISOString();
  const notifications = await store.notifications.forget(before);
  if (notifications > 0)
    logger.warn({ notifications }, 'webhooks were not told of ends: their workflows are gone');
}

async function handOverOne(
  { orchestrator, logger }: HandoverDependencies,
  deploymentId: string,
  { jobId, name }: DueNotification,
  webhooks: readonly string[],
): Promise<'handed' | 'refused'> {
  try {
    await orchestrator.startNotification({
      ...{ id: toNotificationWorkflow(deploymentId, jobId), jobId, sessionName: name, webhooks },
      deliveryQueue: toWebhookQueue(deploymentId),
    });
    return 'handed';
  } catch (error) {
    // One that is refused must not keep the others waiting.
    if (!isServiceError(error) || error.fault !== 'rejected') throw error;
    logger.warn({ err: error, session: name, jobId }, 'a notification could not be handed over');
    return 'refused';
  }
}
