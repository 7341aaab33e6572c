import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { NativeConnection, Worker } from '@temporalio/worker';
import {
  createCycleActivities,
  type CycleActivities,
  type CycleReport,
} from '../../src/activities/cycles.js';
import { createHsmClient } from '../../src/clients/hsm.js';
import type { Orchestrator } from '../../src/clients/interfaces.js';
import { createOrchestrator } from '../../src/clients/temporal.js';
import { openActivitySite, type ActivitySite } from '../support/activity-site.js';
import { startHsmStandIn, type HsmStandIn } from '../support/hsm-stand-in.js';
import { BUNDLE } from '../support/session-worker.js';
import { openTemporal, type TestTemporal } from '../support/temporal.js';
import { waitFor } from '../support/wait.js';

const silent = { info: () => undefined, warn: () => undefined };
const taskQueue = 'keelson-cycles';
const now = () => new Date().toISOString();

let temporal: TestTemporal;
let site: ActivitySite;
let hsm: HsmStandIn;
let orchestrator: Orchestrator;
let clock = 0;
beforeAll(async () => {
  temporal = await openTemporal();
  site = await openActivitySite();
  hsm = await startHsmStandIn();
  orchestrator = createOrchestrator({
    ...{ address: temporal.address, namespace: 'default', taskQueue },
    clock: () => clock,
  });
});
afterAll(async () => {
  await orchestrator.close();
  await hsm.close();
  await site.close();
  await temporal.close();
});

async function runWorker(
  act: () => Promise<void>,
  changes: Partial<CycleActivities> = {},
): Promise<void> {
  const connection = await NativeConnection.connect({ address: temporal.address });
  const worker = await Worker.create({
    connection,
    taskQueue,
    workflowBundle: { codePath: BUNDLE },
    activities: {
      ...createCycleActivities({
        store: site.store,
        hardware: createHsmClient({ url: hsm.url, timeoutSeconds: 10 }),
        ...{ logger: silent, now },
      }),
      ...changes,
    },
  });
  await worker.runUntil(act);
  await connection.close();
}

/** Every worker does this every half minute. */
async function startTwice(type: 'BatcherWorkflow' | 'HardwareSyncWorkflow', id: string) {
  const start = { type, id, taskQueue, summary: 'test', restSeconds: 3600 };
  await orchestrator.startCycle(start);
  const { runId } = await temporal.client.workflow.getHandle(id).describe();
  await orchestrator.startCycle(start);
  const handle = temporal.client.workflow.getHandle(id);
  expect((await handle.describe()).runId).toBe(runId);
  return handle;
}

describe('BatcherWorkflow', () => {
  test('sends what waits, reads its options in each cycle, outlives its worker, and ends with its option', async () => {
    const { store } = site;
    const layer = { cloneUrl: 'https://git/a.git', playbook: 'site.yml', commit: 'a'.repeat(40) };
    await store.configurations.save({ name: 'compute', lastUpdated: now(), layers: [layer] });
    await store.options.patch({ batcher: 'internal', batcherCheckInterval: 1, batchWindow: 3600 });
    const put = (id: string) =>
      store.components.put([{ id, enabled: true, desiredConfig: 'compute' }], now(), () => id);
    const sent = async () => (await store.batches.list({ limit: 10, state: 'sent' })).items;
    await put('x1');
    const handle = await startTwice('BatcherWorkflow', 'batcher-test');
    await runWorker(async () => {
      await waitFor(async () => (await store.batches.list({ limit: 1 })).items[0], {
        what: 'a batch that waits for its window',
      });
      expect(await sent()).toEqual([]);
      await store.options.patch({ batchWindow: 0 });
      await waitFor(async () => (await sent())[0], { what: 'a batch that was sent' });
    });
    await put('x2');
    await runWorker(async () => {
      await waitFor(async () => (await sent())[1], { what: 'a batch of the next worker' });
      await store.options.patch({ batcher: 'external' });
      await handle.result();
    });
    expect((await store.sessions.list({}, { limit: 10 })).items).toHaveLength(2);
  });
});

describe('a cycle', () => {
  test('shows in Temporal what its last activity said', async () => {
    const reports: CycleReport[] = [{ details: 'one', nextSeconds: 0 }, { details: 'two' }];
    const runBatcherCycle = () => Promise.resolve(reports.shift() ?? { details: 'too often' });
    const handle = await startTwice('BatcherWorkflow', 'cycles-shown');
    await runWorker(
      async () => {
        await handle.result();
        const { currentDetails } = await handle.query<{ readonly currentDetails?: string }>(
          '__temporal_workflow_metadata',
        );
        expect(currentDetails).toBe('two');
      },
      { runBatcherCycle },
    );
  });
});

describe('HardwareSyncWorkflow', () => {
  test('waits for an hour at most, so that a corrected interval takes effect', async () => {
    const hardwareSyncInterval = Number.MAX_SAFE_INTEGER;
    await site.store.options.patch({ hwsync: 'internal', hardwareSyncInterval });
    const handle = await startTwice('HardwareSyncWorkflow', 'hwsync-slow');
    await runWorker(async () => {
      const timer = await waitFor(
        async () =>
          (await handle.fetchHistory()).events?.find((event) => event.timerStartedEventAttributes),
        { what: 'the wait' },
      );
      const { startToFireTimeout } = timer.timerStartedEventAttributes ?? {};
      expect(Number(startToFireTimeout?.seconds)).toBe(3600);
    });
    await replaceLate(handle.workflowId);
  });

  /** If Temporal's clock is set back, the hour does not end after an hour. */
  async function replaceLate(id: string): Promise<void> {
    const readRun = async () => (await temporal.client.workflow.getHandle(id).describe()).runId;
    const before = await readRun();
    await startTwice('HardwareSyncWorkflow', id);
    clock += 3_600_000;
    await startTwice('HardwareSyncWorkflow', id);
    expect(await readRun()).toBe(before);
    clock += 100_000;
    await orchestrator.startCycle({
      ...{ type: 'HardwareSyncWorkflow', id, taskQueue, summary: 'test', restSeconds: 3600 },
    });
    expect(await readRun()).not.toBe(before);
    await temporal.client.workflow.getHandle(id).terminate();
  }

  test('makes components of new nodes, whatever HSM does meanwhile', async () => {
    const { store } = site;
    await store.options.patch({ hwsync: 'internal', hardwareSyncInterval: 1 });
    hsm.content.components = { Components: [{ ID: 'x9c0', Role: 'Compute' }] };
    hsm.misbehave.components = { kind: 'status', status: 500, times: 2 };
    hsm.misbehave.groups = { kind: 'status', status: 404 };
    const handle = await startTwice('HardwareSyncWorkflow', 'hwsync-test');
    await runWorker(async () => {
      const first = () => store.components.find('x9c0');
      await waitFor(first, { what: 'the first node' });
      hsm.content.components = { Components: [{ ID: 'x9c0' }, { ID: 'x9c1' }] };
      await waitFor(() => store.components.find('x9c1'), { what: 'the second node' });
      expect((await first())?.component.enabled).toBe(true);
      await store.options.patch({ hwsync: 'off' });
      await handle.result();
    });
  });
});
