import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { NativeConnection, Worker } from '@temporalio/worker';
import { createRetentionActivities } from '../../src/activities/retention.js';
import { createStillness } from '../../src/clients/stillness.js';
import { ensureRetentionSchedule } from '../../src/clients/temporal-schedules.js';
import { toRetentionSchedule, toSweepQueue } from '../../src/core/names.js';
import { openActivitySite, type ActivitySite } from '../support/activity-site.js';
import { saveHistory } from '../support/histories.js';
import { BUNDLE } from '../support/session-worker.js';
import { addPlannedSession, at, readAll } from '../support/store-builders.js';
import { openTemporal, type TestTemporal } from '../support/temporal.js';
import { waitFor } from '../support/wait.js';

const PHASE = 'ansible-0';
const silent = { info: () => undefined };

let temporal: TestTemporal;
let site: ActivitySite;
beforeAll(async () => {
  temporal = await openTemporal();
  site = await openActivitySite();
});
afterAll(async () => {
  await site.close();
  await temporal.close();
});

const remove = () => {
  const now = () => new Date().toISOString();
  const { removeExpired } = createRetentionActivities({ store: site.store, now, logger: silent });
  return site.run(removeExpired, undefined);
};

async function addEnded(name: string, endedAt: string, log = ''): Promise<string> {
  const jobId = await addPlannedSession(site.store, name);
  if (log !== '') await site.store.logs.append(jobId, PHASE, 0, Buffer.from(log));
  await site.store.sessions.recordOutcome(jobId, { succeeded: 'false' }, endedAt);
  return jobId;
}

describe('removeExpired', () => {
  test('counts the age from the end, not from the creation', async () => {
    const old = await addEnded('old', at(0));
    const recent = await addEnded('recent', new Date().toISOString());
    expect(await remove()).toMatchObject({ expired: 1, removedRows: 0 });
    expect(await site.store.sessions.find('old')).toBeUndefined();
    expect(await site.store.sessions.get(old)).toBeDefined();
    expect((await site.store.sessions.get(recent))?.deletedAt).toBeUndefined();
  });

  test('reads session_ttl at each run; empty keeps everything', async () => {
    await addEnded('kept', at(0));
    await site.store.options.patch({ sessionTtl: '' });
    expect((await remove()).expired).toBe(0);
    await site.store.options.patch({ sessionTtl: '7d' });
    expect((await remove()).expired).toBe(1);
  });

  test('removes what was deleted and is over', async () => {
    const jobId = await addEnded('deleted', at(0));
    await site.store.sessions.requestDelete('deleted', { at: at(1) });
    expect((await remove()).removedRows).toBeGreaterThan(0);
    expect(await site.store.sessions.get(jobId)).toBeUndefined();
  });

  test('removes the logs that are over the limit, and tells readers', async () => {
    const first = await addEnded('first', new Date(Date.now() - 2000).toISOString(), 'a log\n');
    const last = await addEnded('last', new Date().toISOString(), 'a log\n');
    const bytes = await site.store.retention.logStoreBytes();
    await site.store.options.patch({ logStoreMaxBytes: bytes - 1 });
    expect((await remove()).removedLogBytes).toBe(bytes / 2);
    expect(await readAll(site.store.logs.read(first, PHASE, 0))).toBe(
      `[6 bytes of this log were removed: the logs of all sessions were larger than log_store_max_bytes (${bytes - 1})]\n`,
    );
    expect(await readAll(site.store.logs.read(last, PHASE, 0))).toBe('a log\n');
  });
});

describe('RetentionWorkflow', () => {
  test('is run by the schedule of the deployment, which every worker registers', async () => {
    const deploymentId = randomBytes(4).toString('hex');
    const { schedule } = temporal.client;
    await ensureRetentionSchedule(schedule, createStillness(), deploymentId);
    const handle = schedule.getHandle(toRetentionSchedule(deploymentId));
    await handle.pause('a person said so');
    await ensureRetentionSchedule(schedule, createStillness(), deploymentId);
    expect((await handle.describe()).state).toMatchObject({ paused: true });

    const connection = await NativeConnection.connect({ address: temporal.address });
    const worker = await Worker.create({
      connection,
      taskQueue: toSweepQueue(deploymentId),
      workflowBundle: { codePath: BUNDLE },
      activities: createRetentionActivities({
        store: site.store,
        now: () => new Date().toISOString(),
        logger: silent,
      }),
    });
    await worker.runUntil(async () => {
      await handle.trigger();
      const action = await waitFor(
        async () => (await handle.describe()).info.recentActions.at(0)?.action,
        { what: 'a run of the schedule' },
      );
      const run = temporal.client.workflow.getHandle(action.workflow.workflowId);
      expect(await run.result()).toMatchObject({ expired: 0 });
      await saveHistory(run, 'retention/removed');
    });
    await connection.close();
    await handle.delete();
  });
});
