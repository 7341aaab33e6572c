import { Counter, Gauge, type Registry } from 'prom-client';
import type { NotificationObserver } from '../activities/notifications.js';
import type { Store } from '../store/store.js';
import { createReading } from './reading.js';

interface Logger {
  warn(fields: object, message: string): void;
}

const WAITING_AGE_MS = 5_000;

/** Uses names of webhooks as labels: they come from the operator's file and are few. Known ones start at 0. */
export function createWebhookMetrics(
  registry: Registry,
  { notifications }: Pick<Store, 'notifications'>,
  webhooks: readonly string[],
  logger: Logger,
): NotificationObserver {
  const ends = new Counter({
    name: 'keelson_webhook_notifications_total',
    help: 'Ends of sessions, by webhook and by whether it was told or the attempt was given up.',
    labelNames: ['webhook', 'result'],
    registers: [registry],
  });
  for (const webhook of webhooks)
    for (const result of ['delivered', 'undelivered']) ends.inc({ webhook, result }, 0);
  const waiting = createReading(
    () => notifications.count(),
    WAITING_AGE_MS,
    (error) => logger.warn({ err: error }, 'metrics could not be read'),
  );
  new Gauge({
    name: 'keelson_webhook_notifications_waiting',
    help: 'Ended sessions of which not every webhook has been told yet.',
    registers: [registry],
    async collect() {
      const count = await waiting.latest();
      if (count === undefined) this.remove();
      else this.set(count);
    },
  });
  return { onEnd: (webhook, result) => ends.inc({ webhook, result }) };
}
