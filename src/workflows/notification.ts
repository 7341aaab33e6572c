import {
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  proxyActivities,
} from '@temporalio/workflow';
import { TRIES } from '../core/notification.js';
import type {
  DeliveryActivities,
  SettlementActivities,
  UndeliveredNotification,
} from '../activities/notifications.js';

export interface NotificationInput {
  readonly jobId: string;
  /** By name, because URLs may contain secrets, which must not be in the history. */
  readonly webhooks: readonly string[];
  readonly deliveryQueue: string;
}

/** Retried however long the database is away. Until it succeeds, the record of the session is kept. */
const { settleNotification } = proxyActivities<SettlementActivities>({
  startToCloseTimeout: '30s',
  scheduleToCloseTimeout: '30d',
  retry: { initialInterval: '200ms', maximumInterval: '10s' },
});

/** Tells all webhooks of the end of a session, independently of each other. Fails if one could not be told within a day. */
export async function NotificationWorkflow({
  jobId,
  webhooks,
  deliveryQueue,
}: NotificationInput): Promise<{ readonly told: readonly string[] }> {
  const { deliverNotification } = proxyActivities<DeliveryActivities>({
    taskQueue: deliveryQueue,
    startToCloseTimeout: '30s',
    scheduleToCloseTimeout: '1d',
    retry: {
      initialInterval: TRIES.firstMs,
      backoffCoefficient: TRIES.growth,
      maximumInterval: TRIES.mostMs,
    },
  });
  const ends = await Promise.all(
    webhooks.map(async (webhook): Promise<readonly UndeliveredNotification[]> => {
      try {
        await deliverNotification({ jobId, webhook });
        return [];
      } catch (error) {
        return [{ webhook, why: readCause(error) }];
      }
    }),
  );
  const undelivered = ends.flat();
  await CancellationScope.nonCancellable(() => settleNotification({ jobId, undelivered }));
  if (undelivered.length === 0) return { told: webhooks };
  const why = undelivered.map((each) => each.why).join(' ');
  throw ApplicationFailure.nonRetryable(why, 'undelivered');
}

/** Each border wraps the cause once more, so the innermost one says what happened. */
function readCause(error: unknown): string {
  if (isCancellation(error)) return 'The notification was cancelled.';
  let last = error;
  while (last instanceof Error && last.cause instanceof Error) last = last.cause;
  return last instanceof Error ? last.message : String(last);
}
