import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import type { SessionEnd } from '../../src/clients/interfaces.js';
import { createWebhookClient } from '../../src/clients/webhook.js';
import type { ServiceError } from '../../src/core/errors.js';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import type { Store } from '../../src/store/store.js';
import { startHttpProxy } from '../support/http-proxy.js';
import { isSignedBy, startReceiver, type Receiver } from '../support/receiver.js';
import { aNewSession, at } from '../support/store-builders.js';
import { waitFor } from '../support/wait.js';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const never = new AbortController().signal;

/** Includes the cause, which must be absent: it would go into histories and may quote the receiver. */
async function failureOf(sending: Promise<void>): Promise<object> {
  const { fault, message, cause } = await sending.then(
    () => ({ fault: 'none', message: '', cause: undefined }),
    (error: unknown) => error as ServiceError,
  );
  return { fault, message, ...(cause === undefined ? {} : { cause }) };
}

describe('createWebhookClient', () => {
  let directory: string;
  let receiver: Receiver;
  let store: Store;
  let end: SessionEnd;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'keelson-webhook-'));
    receiver = await startReceiver();
    store = await openSqliteStore({ path: join(directory, 'keelson.db') });
    const { jobId } = await store.sessions.insert(aNewSession('a', { tags: { team: 'blue' } }));
    const outcome = { succeeded: 'false', reason: 'TASK_FAILED', message: 'it broke' } as const;
    await store.sessions.recordOutcome(jobId, { ...outcome, host: 'n1', task: 'x' }, at(9));
    const session = await store.sessions.get(jobId);
    if (session === undefined) throw new Error('no session');
    const counters = { ok: 1, changed: 0, failed: 1, skipped: 0, unreachable: 0 };
    const host = { phase: 'ansible-0', ...counters, incomplete: false };
    end = {
      session,
      totals: { hosts: 2, failed: 1, unreachable: 1, incomplete: 0, changed: 0, ok: 0 },
      failedHosts: [
        { ...host, host: 'n1', task: 'x', message: 'it broke' },
        { ...host, host: 'n2', failed: 0, unreachable: 1 },
      ],
    };
  });
  afterAll(async () => {
    await store.close();
    await receiver.close();
    rmSync(directory, { recursive: true });
  });
  beforeEach(() => {
    receiver.deliveries.length = 0;
    receiver.answers.clear();
    for (const name of Object.keys(receiver.says)) Reflect.deleteProperty(receiver.says, name);
  });

  const open = (webhook: object, publicUrl?: string) => {
    const file = join(directory, 'webhooks.yaml');
    const entry = { name: 'chat', url: `${receiver.url}/t0ken`, ...webhook };
    writeFileSync(file, stringify([entry]));
    return createWebhookClient({
      ...{ file, now: () => at(60) },
      ...(publicUrl === undefined ? {} : { publicUrl }),
    });
  };

  test('sends all that docs/webhooks.md promises, signed', async () => {
    const headers = { Authorization: 'Bearer abc', 'User-Agent': 'mine' };
    await open({ secret: SECRET, headers }, 'https://cfs.example').send('chat', end, never);

    const [delivery] = receiver.deliveries;
    if (delivery === undefined) throw new Error('nothing came');
    expect(delivery.headers).toMatchObject({
      ...{ authorization: 'Bearer abc', 'content-type': 'application/json' },
      ...{ 'webhook-id': 'cfs-a-0123abcd-complete', 'webhook-timestamp': '1767225660' },
    });
    expect(isSignedBy(SECRET, delivery)).toBe(true);
    const session = 'https://cfs.example/v3/sessions/a';
    expect(delivery.body).toEqual({
      event: 'session.complete',
      version: 1,
      text: `Session a failed (TASK_FAILED): it broke. Of 2 hosts 1 failed and 1 could not be reached. ${session}/logs`,
      session: {
        ...{ name: 'a', job: 'cfs-a-0123abcd', tags: { team: 'blue' }, retry_of: null },
        ...{ check_mode: false, apply_of: null },
        configuration: {
          name: end.session.request.configurationName,
          limit: end.session.request.configurationLimit,
        },
        ...{ ansible_limit: end.session.request.ansibleLimit ?? null, target: 'dynamic' },
        ...{ start_time: at(0), launch_time: null, completion_time: at(9) },
        ...{ succeeded: 'false', reason: 'TASK_FAILED', message: 'it broke' },
        ...{ phase: null, host: 'n1', task: 'x', cancelled_by: null, deleted: false },
        artifacts: [],
      },
      hosts: { total: 2, ok: 0, changed: 0, failed: 1, unreachable: 1, incomplete: 0 },
      failed_hosts: [
        { host: 'n1', phase: 'ansible-0', result: 'failed', task: 'x', message: 'it broke' },
        { host: 'n2', phase: 'ansible-0', result: 'unreachable', task: null, message: null },
      ],
      links: {
        ...{ session, log: `${session}/logs` },
        ...{ hosts: `${session}/hosts`, phases: `${session}/phases` },
      },
    });
  });

  test('sends only the sentence with format text', async () => {
    await open({ format: 'text' }).send('chat', end, never);
    expect(receiver.deliveries.map(({ body }) => body)).toEqual([
      {
        text: 'Session a failed (TASK_FAILED): it broke. Of 2 hosts 1 failed and 1 could not be reached.',
      },
    ]);
    expect(receiver.deliveries[0]?.headers).not.toHaveProperty('webhook-signature');
  });

  test('links by path without a public URL, and has no links to a deleted session', async () => {
    const client = open({});
    await client.send('chat', end, never);
    const session = { ...end.session, deletedAt: at(10) };
    await client.send('chat', { ...end, session }, never);
    expect(receiver.deliveries.map(({ body }) => body.links?.['log'])).toEqual([
      '/v3/sessions/a/logs',
      undefined,
    ]);
    expect(receiver.deliveries[1]?.body.session['deleted']).toBe(true);
  });

  test.each([
    ...[408, 425, 429, 500, 503].map((status) => [status, 'unavailable'] as const),
    ...[301, 307, 400, 401, 404, 410, 413].map((status) => [status, 'rejected'] as const),
  ])('takes %d for a fault %s, and tells nothing but the status', async (status, fault) => {
    receiver.answers.set('/t0ken', status);
    const message = `Webhook chat answered with status ${status}.`;
    expect(await failureOf(open({}).send('chat', end, never))).toEqual({ fault, message });
    expect(receiver.deliveries).toHaveLength(1);
  });

  test.each([
    [{ 'retry-after': '120' }, 120],
    [{ 'retry-after': '0.5' }, 0.5],
    [
      {
        'retry-after': 'Sun, 29 Nov 2026 10:02:00 GMT',
        date: 'Sun, 29 Nov 2026 10:00:30 GMT',
      },
      90,
    ],
    [{ 'retry-after': 'Sun, 29 Nov 1970 10:02:00 GMT' }, undefined],
    [{ 'retry-after': '-5' }, undefined],
    [{ 'retry-after': 'soon' }, undefined],
    [{}, undefined],
  ])('says how long it is asked to wait by %j', async (headers, retryAfterSeconds) => {
    receiver.answers.set('/t0ken', 429);
    Object.assign(receiver.says, headers);
    const sending = open({}).send('chat', end, never);
    await expect(sending).rejects.toMatchObject({ fault: 'unavailable', retryAfterSeconds });
  });

  test.each([204, 202])('accepts %d as success', async (status) => {
    receiver.answers.set('/t0ken', status);
    await open({}).send('chat', end, never);
  });

  test('does not show the URL if nothing listens', async () => {
    const url = 'http://127.0.0.1:1/t0ken';
    expect(await failureOf(open({ url }).send('chat', end, never))).toEqual({
      fault: 'unavailable',
      message: 'Webhook chat could not be reached (ECONNREFUSED).',
    });
  });

  test('reads the file for each call, and rejects a name that it no longer has', async () => {
    const client = open({ name: 'other' });
    await expect(client.send('chat', end, never)).rejects.toMatchObject({
      fault: 'rejected',
      message: 'Webhook chat is no longer in WEBHOOKS_FILE.',
    });
    open({ when: 'failed' });
    expect(await client.list()).toMatchObject([{ name: 'chat', when: 'failed' }]);
    await client.send('chat', end, never);
  });

  test('opens at most twenty requests to a webhook that does not answer', async () => {
    const client = open({});
    receiver.answers.set('/t0ken', 'silence');
    const given = new AbortController();
    const sends = Array.from({ length: 20 }, () => client.send('chat', end, given.signal));
    const ends = Promise.allSettled(sends);
    await waitFor(() => receiver.deliveries.length === 20);
    await expect(client.send('chat', end, never)).rejects.toMatchObject({ fault: 'busy' });
    given.abort(new Error('given up'));
    expect((await ends).map(({ status }) => status)).not.toContain('fulfilled');
    receiver.answers.clear();
    await client.send('chat', end, never);
  });

  test.each(['http', 'https'])('uses its proxy to reach %s', async (scheme) => {
    const proxy = await startHttpProxy();
    const target = scheme === 'https' ? await startTls() : undefined;
    const url = `${target?.url ?? receiver.url}/t0ken`;
    const ca = target === undefined ? {} : { ca: tls('loopback.crt') };
    await open({ url, ...ca, proxy: proxy.url }).send('chat', end, never);
    await proxy.close();
    await expect(open({ url, ...ca, proxy: proxy.url }).send('chat', end, never)).rejects.toThrow(
      'Webhook chat could not be reached (ECONNREFUSED).',
    );
    expect(proxy.passed).toEqual([new URL(url).host]);
    target?.close();
  });

  test('trusts its own certificate authority', async () => {
    const server = await startTls();
    const url = `${server.url}/t0ken`;
    const untrusting = open({ url }).send('chat', end, never);
    await expect(untrusting).rejects.toMatchObject({
      fault: 'unavailable',
      message: expect.stringMatching(/^Webhook chat could not be reached \([A-Z_]+\)\.$/),
    });
    await open({ url, ca: tls('loopback.crt') }).send('chat', end, never);
    server.close();
  });
});

const tls = (name: string) =>
  readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url), 'utf8');

async function startTls() {
  const server = createServer(
    { key: tls('loopback.key'), cert: tls('loopback.crt') },
    (request, response) => void request.resume().on('end', () => response.end()),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, close: () => server.close() };
}
