import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { WorkflowHandle } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { createFaultTranslation } from '../../src/activities/failure.js';
import { createGitClient } from '../../src/clients/git.js';
import { createHsmClient } from '../../src/clients/hsm.js';
import type { ExtensionOptions } from '../../src/core/options.js';
import { waitingSignal } from '../../src/workflows/messages.js';
import { startSilentServer } from '../end-to-end/silent-server.js';
import { openActivitySite, type ActivitySite } from '../support/activity-site.js';
import { startHsmStandIn, type HsmStandIn } from '../support/hsm-stand-in.js';
import { BUNDLE } from '../support/session-worker.js';
import { aNewSession, readAll } from '../support/store-builders.js';
import { openTemporal, type TestTemporal } from '../support/temporal.js';
import { waitFor } from '../support/wait.js';

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

let hsm: HsmStandIn;
let site: ActivitySite;
const waits: (readonly [jobId: string, message: string])[] = [];
beforeEach(async () => {
  hsm = await startHsmStandIn();
});
afterEach(async () => {
  await site.close();
  await hsm.close();
});

async function open(limits: Partial<ExtensionOptions>): Promise<void> {
  site = await openActivitySite({
    git: createGitClient({ protocols: 'http' }),
    hardware: createHsmClient({ url: hsm.url, timeoutSeconds: 60 }),
    tellWaiting: async (jobId, message) => {
      waits.push([jobId, message]);
      await temporal.client.workflow.getHandle(jobId).signal(waitingSignal, message);
    },
  });
  await site.store.options.patch(limits);
}

/** The details in the Web UI, without those that show only the phases. */
async function readDetails(handle: WorkflowHandle): Promise<string | undefined> {
  const { currentDetails } = await handle.query<{ currentDetails?: string }>(
    '__temporal_workflow_metadata',
  );
  return currentDetails?.startsWith('Waiting') === true ? currentDetails : undefined;
}

/** Starts the workflow of a session with one layer, at this URL, and HSM's inventory. */
async function start(name: string, cloneUrl?: string): Promise<WorkflowHandle> {
  const lastUpdated = '2026-01-01T00:00:00Z';
  const layers = cloneUrl === undefined ? [] : [{ cloneUrl, branch: 'main', playbook: 'site.yml' }];
  await site.store.configurations.save({ name, lastUpdated, layers });
  const session = aNewSession(name, { configurationName: name });
  const jobId = `${session.jobId}-${process.pid}`;
  await site.store.sessions.insert({ ...session, jobId });
  return temporal.client.workflow.start('SessionWorkflow', {
    workflowId: jobId,
    taskQueue: jobId,
    args: [{ jobId }],
  });
}

const openWorker = (taskQueue: string) =>
  Worker.create({
    connection,
    taskQueue,
    workflowBundle: { codePath: BUNDLE },
    activities: { ...site.activities },
    interceptors: { activity: [createFaultTranslation()] },
  });

async function runToEnd(handle: WorkflowHandle) {
  const worker = await openWorker(handle.workflowId);
  await worker.runUntil(handle.result().catch(() => undefined));
  return (await site.store.sessions.get(handle.workflowId))?.outcome;
}

const readLog = (jobId: string) => readAll(site.store.logs.read(jobId, 'inventory', 0));

describe('a source that is away', () => {
  test('is told on the record and in the Web UI, until it is back', async () => {
    await open({});
    hsm.misbehave.groups = { kind: 'status', status: 503 };
    const handle = await start('waiting');
    const { sessions } = site.store;
    const worker = await openWorker(handle.workflowId);
    const result = await worker.runUntil(async () => {
      const wait = await waitFor(
        async () => (await sessions.get(handle.workflowId))?.waiting ?? false,
        { what: 'the record to say it' },
      );
      const details = await waitFor(() => readDetails(handle), { what: 'the Web UI to say it' });
      delete hsm.misbehave.groups;
      await handle.result().catch(() => undefined);
      return { wait, details };
    });
    const message = `Waiting: The hardware state manager at ${hsm.url}/groups answered with status 503 (Failed). Retrying for up to 600 s (inventory_sources_time_limit).`;
    expect(result.wait).toMatchObject({ phase: 'inventory', message });
    expect(result.details).toContain(message);
    expect((await sessions.get(handle.workflowId))?.waiting).toBeUndefined();
    const told = waits.filter(([jobId]) => jobId === handle.workflowId);
    expect(told.map(([, text]) => text)).toEqual([message, '']);
  });
});

describe('a source that cannot be read within its limit', () => {
  test('fails the session when it refuses, with the limit and the last answer', async () => {
    await open({ inventorySourcesTimeLimit: 4 });
    hsm.misbehave.groups = { kind: 'status', status: 503 };
    const outcome = await runToEnd(await start('refusing'));
    expect(outcome).toEqual({
      succeeded: 'false',
      reason: 'INVENTORY',
      message:
        `The inventory could not be read within 4 s (inventory_sources_time_limit). The hardware state manager at ` +
        `${hsm.url}/groups answered with status 503 (Failed).`,
      phase: 'inventory',
    });
    expect(hsm.requests.length).toBeGreaterThan(3);
  });

  test('fails the session when it never answers, with the limit and who is silent', async () => {
    await open({ inventorySourcesTimeLimit: 2 });
    hsm.misbehave.partitions = { kind: 'silent' };
    const outcome = await runToEnd(await start('silent'));
    expect(outcome).toMatchObject({ succeeded: 'false', reason: 'INVENTORY', phase: 'inventory' });
    expect(outcome?.message).toMatch(
      /^The inventory could not be read within 2 s \(inventory_sources_time_limit\)\. /,
    );
    expect(outcome?.message).toContain(`${hsm.url} had not answered for`);
    await waitFor(() => hsm.aborted() > 0, { what: 'the request to be broken off' });
  });

  test('is a git server too', async () => {
    await open({ cloneTimeLimit: 2 });
    const server = await startSilentServer();
    try {
      const outcome = await runToEnd(await start('hanging', `${server.url}/a.git`));
      expect(outcome).toMatchObject({ succeeded: 'false', reason: 'GIT_CLONE' });
      expect(outcome?.message).toContain(
        `A repository could not be read within 2 s (clone_time_limit). Repository ${server.url}/a.git had not answered for`,
      );
      await waitFor(() => server.connections() === 0, { what: 'git to end' });
    } finally {
      await server.close();
    }
  });

  test('is read again and again if there is no limit', async () => {
    await open({ inventorySourcesTimeLimit: 0 });
    hsm.misbehave.groups = { kind: 'status', status: 503, times: 2 };
    const handle = await start('unlimited');
    await runToEnd(handle);
    expect(await readLog(handle.workflowId)).toContain('Inventory of 0 hosts made.');
  });

  test('is not one that was unread only because no worker was there', async () => {
    const limitMs = 4000;
    await open({ inventorySourcesTimeLimit: limitMs / 1000 });
    hsm.misbehave.groups = { kind: 'status', status: 503 };
    const handle = await start('away');
    const first = await openWorker(handle.workflowId);
    await first.runUntil(
      waitFor(async () => (await readLog(handle.workflowId)).includes('ERROR'), {
        what: 'a read that fails',
      }),
    );
    const until = Date.now() + limitMs;
    delete hsm.misbehave.groups;
    await waitFor(() => Date.now() >= until, { timeoutMs: limitMs + 5000 });
    await runToEnd(handle);
    expect(await readLog(handle.workflowId)).toContain('Inventory of 0 hosts made.');
  });
});
