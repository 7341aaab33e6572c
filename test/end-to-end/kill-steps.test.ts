import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startCluster, type Cluster } from '../support/cluster.js';
import { createKillSite, type KillSite } from '../support/kill-site.js';
import { createSupervisorHold, holdSteps, STEPS } from '../support/kill-steps.js';
import { readVerdict, untouched } from '../support/kill-verdict.js';
import { watchStates } from '../support/kill-watch.js';

let cluster: Cluster;
let site: KillSite;
const starts = createSupervisorHold('in-start');
beforeAll(async () => {
  cluster = await startCluster({ environment: { PYTHON: starts.python } });
  site = await createKillSite(cluster);
}, 60_000);
afterAll(async () => {
  await site.close();
  await cluster.close();
  starts.close();
}, 60_000);

describe('a worker that is killed', () => {
  test('costs no session anything, in the middle of whatever step it is', async () => {
    const sessions = STEPS.map((step) => ({ step, name: `in-${step.toLowerCase()}` }));
    const hold = holdSteps(cluster, Object.fromEntries(sessions.map((s) => [s.name, s.step])));
    await Promise.all(sessions.map(({ name }) => site.submit(name)));
    const watches = sessions.map(({ name }) => watchStates(cluster, name));
    await hold.whenHeld();
    await cluster.worker.kill();
    hold.release();
    await cluster.worker.start();
    await Promise.all(sessions.map(({ name }) => cluster.waitUntilComplete(name, 100_000)));
    for (const watch of watches) await watch.close();
    for (const { name } of sessions)
      expect({ name, ...(await readVerdict(cluster, site, name)) }).toEqual({
        name,
        ...untouched(cluster),
      });
    expect(watches.flatMap((watch) => watch.regress() ?? [])).toEqual([]);
  }, 240_000);

  test('while it notes a cancel, does not cost the cancel', async () => {
    const name = 'in-notecancel';
    await site.submit(name, 'ansible-0');
    await site.whenHeld(name, 'ansible-0');
    const hold = holdSteps(cluster, { [name]: 'noteCancel' });
    const { job } = (await cluster.find(name)).status.session;
    const handle = (await cluster.temporalClient()).workflow.getHandle(job ?? '');
    await handle.cancel();
    await hold.whenHeld();
    await cluster.worker.kill();
    hold.release();
    await cluster.worker.start();
    const { status } = await cluster.waitUntilComplete(name, 100_000);
    expect(status.session).toMatchObject({
      succeeded: 'false',
      reason: 'CANCELLED',
      phase: 'ansible-0',
    });
    const verdict = await readVerdict(cluster, site, name);
    expect(verdict.runs).toEqual(cluster.hosts.map((host) => `${host.name} ansible-0`));
    expect(verdict.left).toEqual([]);
  }, 240_000);

  test('between the launch on the record and its supervisor starts one supervisor', async () => {
    await site.submit('in-start');
    await starts.whenStarted(1);
    await cluster.worker.kill();
    await cluster.worker.start();
    await starts.whenStarted(2);
    starts.release();
    await cluster.waitUntilComplete('in-start');
    expect(await readVerdict(cluster, site, 'in-start')).toEqual(untouched(cluster));
  }, 120_000);
});
