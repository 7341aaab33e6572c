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
/** A webhook that answers is told within moments. */
const UNTOLD_MS = 600_000;
/** As long as a webhook is tried. A workflow that was terminated later than this may have left Temporal, and is not begun again. */
const TRIED_MS = 86_400_000;

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
      const names = pickWanted(webhooks, notification);
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

/** What each sweep does: hands over what is due, and what Temporal may have lost since, and forgets what nothing tells any more. */
export async function handOverRest(
  dependencies: HandoverDependencies,
  signal: AbortSignal,
): Promise<void> {
  await handOver(dependencies, signal);
  await handOverAgain(dependencies, signal);
  await forgetOld(dependencies);
}

/**
 * Hands over once more some of those that should have been told by now: a Temporal that was restored from a backup may lack
 * their workflow. Changes nothing for those that Temporal has.
 */
async function handOverAgain(
  dependencies: HandoverDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { store, now } = dependencies;
  const before = (ms: number) => new Date(Date.parse(now()) - ms).toISOString();
  const handed = { from: before(TRIED_MS), until: before(UNTOLD_MS), limit: PAGE };
  const untold = await store.notifications.listUntold(handed);
  if (untold.length === 0) return;
  const deploymentId = await store.deploymentId();
  const webhooks = await dependencies.webhooks.list();
  await atMost(AT_ONCE, untold, async (notification) => {
    signal.throwIfAborted();
    const names = pickWanted(webhooks, notification);
    if (names.length > 0) await handOverOne(dependencies, deploymentId, notification, names);
  });
}

/** Removes notifications that were handed over so long ago that no workflow can still be about to tell them. */
async function forgetOld({ store, now, logger }: HandoverDependencies): Promise<void> {
  const before = new Date(Date.parse(now()) - FORGET_MS).toISOString();
  const notifications = await store.notifications.forget(before);
  if (notifications > 0)
    logger.warn({ notifications }, 'webhooks were not told of ends: their workflows are gone');
}

function pickWanted(
  webhooks: Awaited<ReturnType<WebhookClient['list']>>,
  { succeeded }: DueNotification,
): readonly string[] {
  return webhooks.filter(({ when }) => isWanted(when, succeeded)).map(({ name }) => name);
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
