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
/** Twice as long as a webhook is tried. What is left by then has lost its workflow, for example because it was terminated. */
const FORGET_MS = 172_800_000;

/**
 * Has Temporal tell webhooks of every end that is due. Several processes may do this at once,
 * and stop anywhere, because Temporal does not begin again what it has. Throws fault
 * `unavailable` if somebody does not answer; the rest is left for the next time.
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

/** Removes notifications that were handed over so long ago that no workflow can still be about to tell them. */
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
    // One that is refused must not hold back the others.
    if (!isServiceError(error) || error.fault !== 'rejected') throw error;
    logger.warn({ err: error, session: name, jobId }, 'a notification could not be handed over');
    return 'refused';
  }
}
