import { execFile as execFileWithCallback } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { NativeConnection, Worker } from '@temporalio/worker';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { stringify } from 'yaml';
import { createFaultTranslation } from '../../src/activities/failure.js';
import { sweep } from '../../src/activities/sweep.js';
import type { Orchestrator } from '../../src/clients/interfaces.js';
import { ServiceError } from '../../src/core/errors.js';
import { createOrchestrator } from '../../src/clients/temporal.js';
import { toNotificationWorkflow, toTaskQueue } from '../../src/core/names.js';
import { openNotifying, type Notifying } from '../../src/process/notifying.js';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import type { Store } from '../../src/store/store.js';
import { saveHistory } from '../support/histories.js';
import { startReceiver, type Receiver } from '../support/receiver.js';
import { BUNDLE } from '../support/session-worker.js';
import { aNewSession } from '../support/store-builders.js';
import { openTemporal, type TestTemporal } from '../support/temporal.js';
import { waitFor } from '../support/wait.js';

const execFile = promisify(execFileWithCallback);
const TOKEN = 'bearer-of-the-webhook-0123456789';
const now = () => new Date().toISOString();
const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString();
const failed = { succeeded: 'false', reason: 'TASK_FAILED', message: 'it broke' } as const;

let temporal: TestTemporal;
let connection: NativeConnection;
beforeAll(async () => {
  temporal = await openTemporal();
  connection = await NativeConnection.connect({ address: temporal.address });
});
afterAll(async () => {
  await connection.close();
  await temporal.close();
});

/** A database with its webhooks. Processes that use it are started and stopped. */
let directory: string;
let store: Store;
let orchestrator: Orchestrator;
let receiver: Receiver;
let registry: Registry;
let lines: string[] = [];
const closing: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  lines = [];
  directory = mkdtempSync(join(tmpdir(), 'keelson-notifying-'));
  store = await openSqliteStore({ path: join(directory, 'keelson.db') });
  receiver = await startReceiver();
  orchestrator = createOrchestrator({
    ...{ address: temporal.address, namespace: 'default' },
    taskQueue: toTaskQueue(await store.deploymentId()),
  });
  writeWebhooks({ name: 'chat', url: `${receiver.url}/chat` });
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await orchestrator.close();
  await receiver.close();
  await store.close();
  rmSync(directory, { recursive: true });
});

function writeWebhooks(...webhooks: readonly object[]): void {
  const headers = { Authorization: `Bearer ${TOKEN}` };
  const entries = webhooks.map((webhook) => ({ headers, ...webhook }));
  writeFileSync(join(directory, 'webhooks.yaml'), stringify(entries));
}

async function open(
  webhooksFile = join(directory, 'webhooks.yaml'),
  time = now,
): Promise<Notifying> {
  const stream = { write: (line: string) => void lines.push(line) };
  registry = new Registry();
  const notifying = await openNotifying({
    ...{ store, orchestrator, logger: pino({}, stream), registry, now: time },
    ...(webhooksFile === '' ? {} : { webhooksFile }),
  });
  closing.push(() => notifying.close());
  return notifying;
}

/** What `startWorker` does with it. */
async function work(notifying: Notifying): Promise<void> {
  const interceptors = { activity: [createFaultTranslation()] };
  const settling = await Worker.create({
    ...{ connection, interceptors, workflowBundle: { codePath: BUNDLE } },
    taskQueue: toTaskQueue(await store.deploymentId()),
    activities: notifying.activities,
  });
  for (const worker of [settling, ...(await notifying.start({ connection, interceptors }))]) {
    const running = worker.run();
    closing.push(async () => {
      worker.shutdown();
      await running;
    });
  }
}

async function add(name: string): Promise<string> {
  return (await store.sessions.insert(aNewSession(name))).jobId;
}

const whenSettled = () =>
  waitFor(async () => (await store.notifications.count()) === 0, { what: 'all to be told' });

const handleOf = async (jobId: string) =>
  temporal.client.workflow.getHandle(toNotificationWorkflow(await store.deploymentId(), jobId));

/** The acts that the last sweep has counted. */
let acts: string[] = [];

const sweepOnce = (notifying: Notifying, { dryRun = false } = {}) => {
  acts = [];
  const info = (fields: object) => void lines.push(JSON.stringify(fields));
  return sweep(
    {
      ...{ store, orchestrator, logger: { info, warn: () => undefined }, now },
      observer: { onAct: (act) => void acts.push(act), onEnd: () => undefined },
      ...{ limit: 10, machineLostSeconds: 0 },
      ...(notifying.handOver === undefined ? {} : { handOver: notifying.handOver }),
    },
    { dryRun },
    new AbortController().signal,
  );
};

async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('NotificationWorkflow', () => {
  test('is begun again by the sweep if Temporal has lost it, and tells of the end after all', async () => {
    const jobId = await add('lost');
    const notifying = await open();
    await store.sessions.recordOutcome(jobId, failed, now());
    await sweepOnce(notifying);
    const handle = await handleOf(jobId);
    await handle.describe();
    await temporal.connection.workflowService.deleteWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId: handle.workflowId },
    });
    const isGone = () =>
      handle.describe().then(
        () => false,
        () => true,
      );
    await waitFor(isGone, { what: 'the workflow to be deleted' });
    await sweepOnce(notifying);
    expect(await isGone()).toBe(true);

    await store.notifications.recordHandedOver([jobId], ago(601));
    const dry = await sweepOnce(notifying, { dryRun: true });
    expect(dry.entries).toMatchObject([{ act: 'notify', session: 'lost', jobId }]);
    expect(await isGone()).toBe(true);
    expect((await sweepOnce(notifying)).entries).toEqual(dry.entries);
    expect(await isGone()).toBe(false);
    for (const dryRun of [true, false])
      expect((await sweepOnce(notifying, { dryRun })).entries).toEqual([]);
    await work(notifying);
    await receiver.whenTold('lost', '/chat');
    await whenSettled();
    await handle.result();

    // A database that was set back since notes the end again. Nobody has to be told any more.
    const database = new DatabaseSync(join(directory, 'keelson.db'));
    database.prepare('insert into notifications values (?, ?)').run(jobId, ago(601));
    database.close();
    expect((await sweepOnce(notifying)).entries).toEqual([]);
    expect(await store.notifications.count()).toBe(0);
  });

  test('tells each webhook what it wants to know, of sessions that others end', async () => {
    writeWebhooks(
      { name: 'all', url: `${receiver.url}/all` },
      { name: 'bad', url: `${receiver.url}/bad`, when: 'failed' },
    );
    await work(await open());
    await store.sessions.recordOutcome(await add('good'), { succeeded: 'true' }, now());
    await add('cancelled');
    await store.sessions.requestCancel('cancelled', { at: now(), by: 'ann' });
    await add('deleted');
    await store.sessions.requestDelete('deleted', { at: now() });
    for (const name of ['good', 'cancelled', 'deleted']) await receiver.whenTold(name, '/all');
    for (const name of ['cancelled', 'deleted']) await receiver.whenTold(name, '/bad');
    await whenSettled();

    expect(receiver.deliveries).toHaveLength(5);
    expect(receiver.of('cancelled', '/bad')[0]?.body.text).toBe(
      'Session cancelled was cancelled by ann before it started.',
    );
    expect(receiver.of('deleted', '/all')[0]?.body.links).toBeNull();
  });

  test('tries one that is away again, under the same id, and tells the others meanwhile', async () => {
    const port = await findFreePort();
    writeWebhooks(
      { name: 'away', url: `http://127.0.0.1:${port}/away` },
      { name: 'ill', url: `${receiver.url}/ill` },
      { name: 'well', url: `${receiver.url}/well` },
    );
    receiver.answers.set('/ill', 503);
    await work(await open());
    const jobId = await add('a');
    await store.sessions.recordOutcome(jobId, failed, now());
    await receiver.whenTold('a', '/well');
    await receiver.whenTold('a', '/ill', 2);
    receiver.answers.set('/ill', 200);
    const handle = await handleOf(jobId);
    await waitFor(
      async () =>
        (await handle.describe()).raw.pendingActivities?.some(
          ({ lastFailure }) =>
            lastFailure?.message === 'Webhook away could not be reached (ECONNREFUSED).',
        ),
      { what: 'a failed try' },
    );
    const back = await startReceiver(port);
    closing.push(() => back.close());
    await back.whenTold('a', '/away');

    expect(await handle.result()).toEqual({ told: ['away', 'ill', 'well'] });
    await saveHistory(handle, 'notification/told');
    expect(await store.notifications.count()).toBe(0);
    const ids = [...receiver.deliveries, ...back.deliveries].map(
      ({ headers }) => headers['webhook-id'],
    );
    expect(new Set(ids).size).toBe(1);
    expect(receiver.of('a', '/well')).toHaveLength(1);
  });

  test('leaves one alone for as long as it asks', async () => {
    receiver.answers.set('/chat', 429);
    receiver.says['retry-after'] = '1800';
    await work(await open());
    const jobId = await add('a');
    await store.sessions.recordOutcome(jobId, failed, now());
    await receiver.whenTold('a');
    const handle = await handleOf(jobId);
    const pending = await waitFor(
      async () =>
        (await handle.describe()).raw.pendingActivities?.find(({ lastFailure }) => lastFailure),
      { what: 'a failed try' },
    );
    expect(Number(pending.currentRetryInterval?.seconds)).toBe(1800);
    await handle.cancel();
    await whenSettled();
  });

  test('gives up at once if a webhook refuses, and says so', async () => {
    receiver.answers.set('/chat', 410);
    await work(await open());
    const jobId = await add('a');
    await store.sessions.recordOutcome(jobId, failed, now());
    const handle = await handleOf(jobId);
    await whenSettled();
    await expect(handle.result()).rejects.toMatchObject({
      cause: { message: 'Webhook chat answered with status 410.', type: 'undelivered' },
    });
    await saveHistory(handle, 'notification/undelivered');

    expect(receiver.deliveries).toHaveLength(1);
    const told = lines.find((line) => line.includes('webhook was not told'));
    expect(JSON.parse(told ?? '{}')).toMatchObject({
      ...{ level: 40, session: 'a', jobId, webhook: 'chat' },
      why: 'Webhook chat answered with status 410.',
    });
    const metrics = await registry.metrics();
    expect(metrics).toContain('{webhook="chat",result="undelivered"} 1');
    expect(metrics).toContain('{webhook="chat",result="delivered"} 0');
    expect(metrics).toContain('keelson_webhook_notifications_waiting 0');
  });

  test('has the sweep of the next process hand over what a dead one has noted', async () => {
    const jobId = await add('a');
    // It has noted the end, but not handed it over.
    await (await open()).close();
    await store.sessions.recordOutcome(jobId, failed, now());
    const next = await open();
    const dry = await sweepOnce(next, { dryRun: true });
    expect(dry.entries).toMatchObject([{ act: 'notify', session: 'a', jobId }]);
    expect(acts).toEqual([]);
    expect(await store.notifications.listDue({ limit: 9 })).toHaveLength(1);

    expect((await sweepOnce(next)).entries).toEqual(dry.entries);

    expect(acts).toEqual(['notify']);
    expect(lines.join()).toContain('{"act":"notify","session":"a"');
    expect(await store.notifications.listDue({ limit: 9 })).toEqual([]);
    expect((await (await handleOf(jobId)).describe()).status.name).toBe('RUNNING');
    await work(next);
    await receiver.whenTold('a');
    await whenSettled();
  });

  test('has the sweep name the ends that nobody can be told of any more, and those that Temporal refuses', async () => {
    const notifying = await open();
    for (const name of ['old', 'new', 'bad'])
      await store.sessions.recordOutcome(await add(name), failed, now());
    const [bad, fresh, old] = await store.notifications.listDue({ limit: 9 });
    await store.notifications.recordHandedOver([old?.jobId ?? ''], ago(3 * 86_400));
    await store.notifications.recordHandedOver([fresh?.jobId ?? ''], ago(60));
    const refuse = () => Promise.reject(new ServiceError('rejected', 'no'));
    Object.assign(orchestrator, { startNotification: refuse });

    const dry = await sweepOnce(notifying, { dryRun: true });
    expect(dry.entries.map(({ act, session }) => [act, session])).toEqual([
      ['notify', 'bad'],
      ['forget', 'old'],
    ]);
    const { entries, failures } = await sweepOnce(notifying);
    expect(entries).toEqual(dry.entries.slice(1));
    expect(failures).toMatchObject([{ session: 'bad', jobId: bad?.jobId, why: 'no' }]);
    expect(await store.notifications.count()).toBe(2);
  });

  test('forgets nothing because one clock is days ahead', async () => {
    const inDays = () => new Date(Date.now() + 3 * 86_400_000).toISOString();
    const notifying = await open(undefined, inDays);
    await store.sessions.recordOutcome(await add('a'), failed, now());
    const [due] = await store.notifications.listDue({ limit: 9 });
    await store.notifications.recordHandedOver([due?.jobId ?? ''], ago(60));

    expect((await sweepOnce(notifying)).entries).toEqual([]);
    expect(await store.notifications.count()).toBe(1);
  });

  test('has the sweep command hand it over too', async () => {
    const notifying = await open();
    const jobId = await add('a');
    await store.sessions.recordOutcome(jobId, failed, now());
    const command = fileURLToPath(new URL('../../dist/commands/sweep.js', import.meta.url));
    const sweepByHand = (option: string) =>
      execFile(process.execPath, [command, option], {
        env: {
          ...{ KEELSON_DATA: directory, TEMPORAL_ADDRESS: temporal.address },
          WEBHOOKS_FILE: join(directory, 'webhooks.yaml'),
        },
      });
    expect((await sweepByHand('--dry-run')).stdout).toMatch(/^would notify +a /);
    expect(await store.notifications.listDue({ limit: 9 })).toHaveLength(1);
    await sweepByHand('--json');
    expect(await store.notifications.listDue({ limit: 9 })).toEqual([]);
    expect((await (await handleOf(jobId)).describe()).status.name).toBe('RUNNING');
    await work(notifying);
    await receiver.whenTold('a');
    await whenSettled();

    writeFileSync(join(directory, 'webhooks.yaml'), '- {');
    await store.sessions.recordOutcome(await add('b'), failed, now());
    await expect(sweepByHand('--json')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('webhooks.yaml: line 1 is not YAML'),
    });
  });

  test('hands over at its start what was noted while no worker ran, once', async () => {
    await store.notifications.turnOn();
    const jobId = await add('a');
    await store.sessions.recordOutcome(jobId, failed, now());
    const [one, two] = [await open(), await open()];
    await Promise.all([work(one), sweepOnce(two), sweepOnce(two)]);
    await receiver.whenTold('a');
    await whenSettled();
    expect(receiver.deliveries).toHaveLength(1);
  });

  test('tells of a session that was deleted long before the webhook is back', async () => {
    receiver.answers.set('/chat', 503);
    await work(await open());
    const jobId = await add('a');
    await store.sessions.recordOutcome(jobId, failed, now());
    await receiver.whenTold('a');
    await store.sessions.requestDelete('a', { at: now() });
    const later = new Date(Date.now() + 3_600_000).toISOString();
    expect(await store.retention.removeDeleted(later)).toBe(0);
    receiver.answers.clear();
    await whenSettled();

    expect(receiver.deliveries.at(-1)?.body.session).toMatchObject({ name: 'a', deleted: true });
    expect(await store.retention.removeDeleted(later)).toBe(1);
  });

  test('leaves neither URL nor header nor secret in history, log or database', async () => {
    const secret = `whsec_${Buffer.from(TOKEN).toString('base64')}`;
    const refused = `http://127.0.0.1:${await findFreePort()}/${TOKEN}`;
    writeWebhooks(
      { name: 'chat', url: `${receiver.url}/${TOKEN}`, secret },
      { name: 'away', url: refused },
    );
    receiver.answers.set(`/${TOKEN}`, 404);
    await work(await open());
    const jobId = await add('a');
    await store.sessions.recordOutcome(jobId, failed, now());
    const handle = await handleOf(jobId);
    const description = await waitFor(
      async () => {
        const { raw } = await handle.describe();
        return raw.pendingActivities?.some(({ lastFailure }) => lastFailure) && raw;
      },
      { what: 'a failed try' },
    );
    await receiver.whenTold('a');
    await handle.cancel();
    await whenSettled();
    await expect(handle.result()).rejects.toThrow();

    const decode = (_: string, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString() : value;
    const texts = [description, await handle.fetchHistory(), lines].map((text) =>
      JSON.stringify(text, decode),
    );
    expect(texts.join()).toContain('Webhook chat answered with status 404.');
    expect(lines.join()).toContain('The notification was cancelled.');
    const database = ['keelson.db', 'keelson.db-wal'].map((name) =>
      readFileSync(join(directory, name), 'latin1'),
    );
    expect(database.filter((bytes) => bytes.includes(TOKEN))).toEqual([]);
    for (const word of [TOKEN, secret, receiver.url, '127.0.0.1'])
      expect(texts.filter((text) => text.includes(word))).toEqual([]);
  });

  test('refuses to start with a file that it cannot use', async () => {
    writeWebhooks({ name: 'chat', url: 'no' });
    await expect(open()).rejects.toThrow(
      'webhooks.yaml: entry 1 (chat): url is not an http or https URL.',
    );
  });

  test('uses a changed file as it is then, and waits while it is broken', async () => {
    const notifying = await open();
    writeFileSync(join(directory, 'webhooks.yaml'), '- {');
    await work(notifying);
    await store.sessions.recordOutcome(await add('a'), failed, now());
    const complaints = () =>
      lines.filter((line) => line.includes('could not be handed over to webhooks yet'));
    await waitFor(() => complaints().length > 0, { what: 'the complaint' });
    // Each of these writes wakes it again.
    for (const sessionTtl of ['1d', '2d', '3d']) await store.options.patch({ sessionTtl });
    await sweepOnce(notifying);
    expect(complaints()).toHaveLength(1);
    expect(await store.notifications.listDue({ limit: 9 })).toHaveLength(1);
    writeWebhooks({ name: 'new', url: `${receiver.url}/new` });
    await sweepOnce(notifying);
    await receiver.whenTold('a', '/new');
    await whenSettled();
  });

  test('forgets what was noted if there are no webhooks any more', async () => {
    await open();
    const jobId = await add('a');
    await store.sessions.recordOutcome(jobId, failed, now());
    await open('');
    await store.sessions.recordOutcome(await add('b'), failed, now());
    expect(await store.notifications.count()).toBe(0);
    expect(lines.join()).toContain('"untold":1');
  });

  test('goes on if a worker without webhooks was started beside one that has some', async () => {
    const notifying = await open();
    await open('');
    await sweepOnce(notifying);
    expect(lines.join()).toContain('they are on again');
    await work(notifying);
    await store.sessions.recordOutcome(await add('a'), failed, now());
    await receiver.whenTold('a');
    await whenSettled();
  });
});
