import type { NotificationStart, Orchestrator, WebhookClient } from '../clients/interfaces.js';
import { isServiceError } from '../core/errors.js';
import { toNotificationWorkflow, toWebhookQueue } from '../core/names.js';
import { isWanted } from '../core/notification.js';
import type { DueNotification, Store } from '../store/store.js';
import { atMost } from './at-most.js';
import type { NotificationLogger } from './notifications.js';
import type { HandoverRun } from './sweep-dependencies.js';

export interface HandoverDependencies {
  readonly store: Pick<Store, 'notifications' | 'deploymentId'>;
  readonly orchestrator: Pick<
    Orchestrator,
    'startNotification' | 'hasNotification' | 'hasEndedNotification'
  >;
  readonly webhooks: Pick<WebhookClient, 'list'>;
  readonly logger: NotificationLogger;
  readonly now: () => string;
  /** The time by which something is old enough to be removed. */
  readonly removalTime: () => Promise<string>;
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
  run: HandoverRun,
): Promise<void> {
  const { store } = dependencies;
  let afterId: string | undefined;
  do {
    run.signal.throwIfAborted();
    const due = await store.notifications.listDue({
      limit: PAGE,
      ...(afterId === undefined ? {} : { afterId }),
    });
    const ends = await handOverEach(dependencies, due, run);
    if (!run.dryRun) await recordEnds(dependencies, due, ends);
    afterId = due.length < PAGE ? undefined : due.at(-1)?.jobId;
  } while (afterId !== undefined);
}

/** What each sweep does: hands over what is due, and what Temporal may have lost since, and forgets what nothing tells any more. */
export async function handOverRest(
  dependencies: HandoverDependencies,
  run: HandoverRun,
): Promise<void> {
  await handOver(dependencies, run);
  await handOverAgain(dependencies, run);
  await forgetOld(dependencies, run);
}

/**
 * Hands over once more some of those that should have been told by now: a Temporal that was restored from a backup may lack
 * their workflow. Changes nothing for those that Temporal has.
 */
async function handOverAgain(dependencies: HandoverDependencies, run: HandoverRun): Promise<void> {
  const untold = await dependencies.store.notifications.listUntold({
    from: before(dependencies.now(), TRIED_MS),
    until: before(dependencies.now(), UNTOLD_MS),
    limit: PAGE,
  });
  await handOverEach(dependencies, untold, run);
  if (!run.dryRun) await removeTold(dependencies, untold);
}

/** A workflow that has ended has removed its notification. Another one is of a database that was set back since. */
async function removeTold(
  { store, orchestrator }: HandoverDependencies,
  untold: readonly DueNotification[],
): Promise<void> {
  if (untold.length === 0) return;
  const deploymentId = await store.deploymentId();
  const areTold = await atMost(AT_ONCE, untold, ({ jobId }) =>
    orchestrator.hasEndedNotification(toNotificationWorkflow(deploymentId, jobId)),
  );
  const told = untold.filter((_, index) => areTold[index] === true).map(({ jobId }) => jobId);
  if (told.length > 0) await store.notifications.remove(told);
}

/** Removes some of the notifications that were handed over so long ago that no workflow can still be about to tell them. */
async function forgetOld(
  dependencies: HandoverDependencies,
  { dryRun, note }: HandoverRun,
): Promise<void> {
  const { store, logger, removalTime } = dependencies;
  const old = await store.notifications.listUntold({
    until: before(await removalTime(), FORGET_MS),
    limit: PAGE,
  });
  if (old.length === 0) return;
  if (!dryRun) {
    await store.notifications.remove(old.map(({ jobId }) => jobId));
    const notifications = old.length;
    logger.warn({ notifications }, 'webhooks were not told of ends: their workflows are gone');
  }
  const why = 'webhooks were not told of its end, and the workflow that did so is gone';
  for (const { jobId, name } of old) note({ act: 'forget', session: name, jobId, why });
}

function before(time: string, ms: number): string {
  return new Date(Date.parse(time) - ms).toISOString();
}

type HandoverEnd = 'handed' | 'refused' | 'unwanted';

async function handOverEach(
  dependencies: HandoverDependencies,
  notifications: readonly DueNotification[],
  run: HandoverRun,
): Promise<readonly HandoverEnd[]> {
  if (notifications.length === 0) return [];
  const deploymentId = await dependencies.store.deploymentId();
  const webhooks = await dependencies.webhooks.list();
  return atMost(AT_ONCE, notifications, async (notification) => {
    run.signal.throwIfAborted();
    const names = pickWanted(webhooks, notification);
    if (names.length === 0) return 'unwanted';
    return handOverOne(dependencies, toStart(deploymentId, notification, names), run);
  });
}

async function recordEnds(
  { store, now }: HandoverDependencies,
  due: readonly DueNotification[],
  ends: readonly HandoverEnd[],
): Promise<void> {
  const pick = (kind: HandoverEnd) =>
    due.filter((_, index) => ends[index] === kind).map(({ jobId }) => jobId);
  if (pick('unwanted').length > 0) await store.notifications.remove(pick('unwanted'));
  if (pick('handed').length > 0) await store.notifications.recordHandedOver(pick('handed'), now());
}

function pickWanted(
  webhooks: Awaited<ReturnType<WebhookClient['list']>>,
  { succeeded }: DueNotification,
): readonly string[] {
  return webhooks.filter(({ when }) => isWanted(when, succeeded)).map(({ name }) => name);
}

function toStart(
  deploymentId: string,
  { jobId, name }: DueNotification,
  webhooks: readonly string[],
): NotificationStart {
  return {
    ...{ id: toNotificationWorkflow(deploymentId, jobId), jobId, sessionName: name, webhooks },
    deliveryQueue: toWebhookQueue(deploymentId),
  };
}

async function handOverOne(
  { orchestrator }: HandoverDependencies,
  start: NotificationStart,
  { dryRun, note, fail }: HandoverRun,
): Promise<'handed' | 'refused'> {
  const { id, jobId, sessionName: session } = start;
  try {
    const isBegun = dryRun
      ? !(await orchestrator.hasNotification(id))
      : await orchestrator.startNotification(start);
    const why = 'webhooks have not been told of its end, and no workflow was to do so';
    if (isBegun) note({ act: 'notify', session, jobId, why });
    return 'handed';
  } catch (error) {
    // One that is refused must not hold back the others.
    if (!isServiceError(error) || error.fault !== 'rejected') throw error;
    fail({ message: 'a notification could not be handed over', session, jobId }, error);
    return 'refused';
  }
}
