import { createHmac } from 'node:crypto';
import { ServiceError } from '../core/errors.js';
import { omitUndefined } from '../core/omit-undefined.js';
import { postText } from './http.js';
import type { SessionEnd, WebhookClient } from './interfaces.js';
import { readWebhooks, type Webhook } from './webhook-file.js';
import { toWebhookMessage, toWebhookText } from './webhook-message.js';

const TIMEOUT_SECONDS = 10;
/** Open requests to one webhook: one that never answers must leave room for the others. */
const MOST_OPEN = 20;

export interface WebhookOptions {
  /** Read on every call. */
  readonly file: string;
  /** URL at which people reach the API, for links. Absent: links are paths. */
  readonly publicUrl?: string;
  readonly now: () => string;
}

export function createWebhookClient({ file, publicUrl, now }: WebhookOptions): WebhookClient {
  const open = new Map<string, number>();
  return {
    list: () => readWebhooks(file),
    async send(name, end, signal) {
      const webhook = (await readWebhooks(file)).find((each) => each.name === name);
      if (webhook === undefined)
        throw new ServiceError('rejected', `Webhook ${name} is no longer in WEBHOOKS_FILE.`);
      const count = open.get(name) ?? 0;
      if (count >= MOST_OPEN)
        throw new ServiceError(
          'busy',
          `Webhook ${name} has not yet answered ${count} other messages.`,
        );
      open.set(name, count + 1);
      try {
        await post(webhook, end, { publicUrl, at: now() }, signal);
      } finally {
        open.set(name, (open.get(name) ?? 1) - 1);
      }
    },
  };
}

async function post(
  { name, url, headers, secret, format, ca, proxy }: Webhook,
  end: SessionEnd,
  { publicUrl, at }: { readonly publicUrl: string | undefined; readonly at: string },
  signal: AbortSignal,
): Promise<void> {
  const body =
    format === 'text' ? { text: toWebhookText(end, publicUrl) } : toWebhookMessage(end, publicUrl);
  const content = JSON.stringify(body);
  // The same in each repeat, so that a receiver can recognize repeats.
  const id = `${end.session.jobId}-complete`;
  const timestamp = String(Math.floor(Date.parse(at) / 1000));
  await postText(
    {
      url,
      service: `Webhook ${name}`,
      timeoutSeconds: TIMEOUT_SECONDS,
      content,
      headers: {
        'user-agent': 'keelson',
        ...headers,
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        ...(secret === undefined
          ? {}
          : { 'webhook-signature': sign(secret, `${id}.${timestamp}.${content}`) }),
      },
      ...omitUndefined({ ca, proxy }),
    },
    signal,
  );
}

/** Signs as standardwebhooks.com specifies. */
function sign(secret: Uint8Array, signed: string): string {
  return `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`;
}
