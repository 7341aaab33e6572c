import { activityInfo, cancellationSignal } from '@temporalio/activity';
import type { WebhookClient } from '../clients/interfaces.js';
import { isServiceError } from '../core/errors.js';
import { toAskedDelayMs } from '../core/notification.js';
import { getSession } from './dependencies.js';
import { isRetryable, toFailure } from './failure.js';
import type { Store } from '../store/store.js';

export interface DeliveryActivities {
  /** Tells one webhook of the end of a session. After a failure that came late, it is told again. */
  readonly deliverNotification: (input: DeliveryInput) => Promise<void>;
}

export interface SettlementActivities {
  /** Removes the notification once all webhooks were told, except those that could not be. */
  readonly settleNotification: (input: SettlementInput) => Promise<void>;
}

export interface DeliveryInput {
  readonly jobId: string;
  /** By name. */
  readonly webhook: string;
}

export interface SettlementInput {
  readonly jobId: string;
  readonly undelivered: readonly UndeliveredNotification[];
}

export interface UndeliveredNotification {
  readonly webhook: string;
  readonly why: string;
}

export interface NotificationLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface NotificationObserver {
  onEnd(webhook: string, result: 'delivered' | 'undelivered'): void;
}

export interface DeliveryDependencies {
  readonly store: Pick<Store, 'sessions' | 'hosts'>;
  readonly webhooks: Pick<WebhookClient, 'send'>;
  readonly logger: NotificationLogger;
  readonly observer: NotificationObserver;
}

export interface SettlementDependencies {
  readonly store: Pick<Store, 'notifications' | 'sessions'>;
  readonly logger: NotificationLogger;
  readonly observer: NotificationObserver;
}

/** Enough to see what went wrong; the notification links to the rest. */
const MOST_FAILED_HOSTS = 20;

export function createDeliveryActivities({
  store,
  webhooks,
  logger,
  observer,
}: DeliveryDependencies): DeliveryActivities {
  return {
    async deliverNotification({ jobId, webhook }) {
      const session = await getSession(store, jobId);
      const [totals, failedHosts] = await Promise.all([
        store.hosts.total(jobId),
        store.hosts.listFailed(jobId, MOST_FAILED_HOSTS),
      ]);
      const end = { session, totals, failedHosts };
      await webhooks.send(webhook, end, cancellationSignal()).catch(leaveAlone);
      observer.onEnd(webhook, 'delivered');
      logger.info(
        { session: session.name, jobId, webhook },
        'webhook told of the end of a session',
      );
    },
  };
}

/** Delays the next attempt for as long as the receiver asks. */
function leaveAlone(error: unknown): never {
  if (!isServiceError(error) || !isRetryable[error.fault]) throw error;
  const delayMs = toAskedDelayMs(activityInfo().attempt, error.retryAfterSeconds ?? 0);
  throw delayMs === undefined ? error : toFailure(error, { delayMs });
}

export function createSettlementActivities({
  store,
  logger,
  observer,
}: SettlementDependencies): SettlementActivities {
  return {
    async settleNotification({ jobId, undelivered }) {
      const session = (await store.sessions.get(jobId))?.name;
      await store.notifications.remove([jobId]);
      for (const { webhook, why } of undelivered) {
        observer.onEnd(webhook, 'undelivered');
        const fields = { ...(session === undefined ? {} : { session }), jobId, webhook, why };
        logger.warn(fields, 'webhook was not told of the end of a session');
      }
    },
  };
}
