import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startCluster, type Cluster } from '../support/cluster.js';
import { createKillSite, type HeldPhase, type KillSite } from '../support/kill-site.js';
import { holdSteps } from '../support/kill-steps.js';
import { awaitVerdict } from '../support/kill-verdict.js';
import { waitFor } from '../support/wait.js';

const MOST_MS = 180_000;

let cluster: Cluster;
let site: KillSite;
beforeAll(async () => {
  cluster = await startCluster();
  site = await createKillSite(cluster);
});
afterAll(async () => {
  await site.close();
  await cluster.close();
});

async function hold(names: readonly string[], phase: HeldPhase): Promise<void> {
  await Promise.all(names.map((name) => site.submit(name, phase)));
  await Promise.all(names.map((name) => site.whenHeld(name, phase)));
}

async function cancel(name: string, reason: string): Promise<void> {
  const { status } = await cluster.ask('POST', `/v3/sessions/${name}/cancel`, { reason });
  expect(status).toBe(202);
}

async function getHandle(name: string) {
  const { job } = (await cluster.find(name)).status.session;
  return (await cluster.temporalClient()).workflow.getHandle(job ?? '');
}

/** Expects that it was cancelled in its first playbook, left nothing behind, and ran nothing afterwards. */
async function expectCancelled(name: string): Promise<string> {
  const { status } = await cluster.waitUntilComplete(name, MOST_MS);
  expect(status.session).toMatchObject({
    succeeded: 'false',
    reason: 'CANCELLED',
    phase: 'ansible-0',
  });
  expect(await awaitVerdict(cluster, site, name)).toMatchObject({
    runs: cluster.hosts.map((host) => `${host.name} ansible-0`),
    logs: ['as in the job'],
    left: [],
  });
  return status.session.message ?? '';
}

describe('a cancel', () => {
  test('takes effect when a worker is back, even if the last one died while it noted the cancel', async () => {
    await hold(['no-worker', 'in-notecancel'], 'ansible-0');
    const noting = holdSteps(cluster, { 'in-notecancel': 'noteCancel' });
    await (await getHandle('in-notecancel')).cancel();
    await noting.whenHeld();
    await cluster.worker.kill();
    noting.release();
    await cancel('no-worker', 'first');
    await cancel('no-worker', 'second');
    await cluster.worker.start();
    await expectCancelled('in-notecancel');
    expect(await expectCancelled('no-worker')).toMatch(/: first$/);
  }, 400_000);

  test('takes effect when Temporal is back', async () => {
    await hold(['no-temporal'], 'ansible-0');
    await cluster.temporal.kill();
    await cancel('no-temporal', 'while it was away');
    await cluster.temporal.start();
    expect(await expectCancelled('no-temporal')).toMatch(/while it was away/);
  }, 300_000);

  test('that races with the end has one outcome everywhere', async () => {
    const meetings: Readonly<Record<string, (name: string) => Promise<unknown>>> = {
      'meets-task': () => Promise.resolve(),
      'meets-recap': (name) =>
        waitFor(async () => (await cluster.log(name, 'ansible-1')).includes('PLAY RECAP'), {
          timeoutMs: MOST_MS,
          intervalMs: 5,
        }),
      'meets-job': (name) => site.whenJobEnds(name),
    };
    const names = Object.keys(meetings);
    await hold(names, 'ansible-1');
    const answers = await Promise.all(
      Object.entries(meetings).map(async ([name, meet]) => {
        site.release(name, 'ansible-1');
        await meet(name);
        return cluster.ask('POST', `/v3/sessions/${name}/cancel`);
      }),
    );
    expect(answers.filter(({ status }) => status !== 202 && status !== 409)).toEqual([]);
    for (const name of names) {
      const { status } = await cluster.waitUntilComplete(name, MOST_MS);
      const { succeeded, reason } = status.session;
      const result: unknown = await (await getHandle(name)).result();
      const last = (await cluster.phases(name)).at(-1);
      expect({ name, succeeded, reason, result, last }).toMatchObject(
        succeeded === 'true'
          ? { reason: null, result: { outcome: 'succeeded' }, last: { exit_code: 0 } }
          : { reason: 'CANCELLED', result: { outcome: 'cancelled' }, last: { result: 'killed' } },
      );
    }
  }, 300_000);
});
