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
  /** By name: a history is no place for URLs, which may be secrets. */
  readonly webhooks: readonly string[];
  readonly deliveryQueue: string;
}

/** However long the database is away: until then the record of the session is kept. */
const { settleNotification } = proxyActivities<SettlementActivities>({
  startToCloseTimeout: '30s',
  scheduleToCloseTimeout: '30d',
  retry: { initialInterval: '200ms', maximumInterval: '10s' },
});

/** Tells each webhook of the end of a session; one that is away delays no other. Fails where one was not told within a day. */
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

/** Causes are wrapped once per border; the innermost says what happened. */
function readCause(error: unknown): string {
  if (isCancellation(error)) return 'The notification was cancelled.';
  let last = error;
  while (last instanceof Error && last.cause instanceof Error) last = last.cause;
  return last instanceof Error ? last.message : String(last);
}
