import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { startCluster, type Cluster, type ManagedProcess } from '../support/cluster.js';
import { createKillSite, type KillSite } from '../support/kill-site.js';
import { readVerdict, untouched } from '../support/kill-verdict.js';
import { watchStates, type StateWatch } from '../support/kill-watch.js';
import { waitFor } from '../support/wait.js';

const HEARTBEAT_TIMEOUT_MS = 30_000;

let cluster: Cluster;
let site: KillSite;
let watches: StateWatch[] = [];
beforeAll(async () => {
  cluster = await startCluster();
  site = await createKillSite(cluster);
}, 60_000);
afterEach(async () => {
  for (const watch of watches) await watch.close();
  watches = [];
});
afterAll(async () => {
  await site.close();
  await cluster.close();
}, 60_000);

/** Holds sessions in `ansible-0`. */
async function hold(...names: readonly string[]): Promise<void> {
  await Promise.all(names.map((name) => site.submit(name, 'ansible-0')));
  watches = names.map((name) => watchStates(cluster, name));
  await Promise.all(names.map((name) => site.whenHeld(name, 'ansible-0')));
}

async function goOn(name: string): Promise<void> {
  site.release(name, 'ansible-0');
  await site.whenJobEnds(name);
}

async function expectUntouched(...names: readonly string[]): Promise<void> {
  await Promise.all(names.map((name) => cluster.waitUntilComplete(name, 100_000)));
  for (const name of names)
    expect({ name, ...(await readVerdict(cluster, site, name)) }).toEqual({
      name,
      ...untouched(cluster),
    });
  expect(watches.flatMap((watch) => watch.regress() ?? [])).toEqual([]);
}

async function stayAway(ms: number): Promise<void> {
  const until = Date.now() + ms;
  await waitFor(() => Date.now() >= until, { timeoutMs: ms + 5000 });
}

describe('in the middle of ansible-0', () => {
  test('an API that is killed is told everything when it is back', async () => {
    await hold('api-away', 'api-after');
    await cluster.api.kill();
    site.release('api-away', 'ansible-0');
    await stayAway(2000);
    await cluster.api.start();
    site.release('api-after', 'ansible-0');
    await expectUntouched('api-away', 'api-after');
  }, 120_000);

  test('a Temporal that is killed for two seconds is not missed', async () => {
    await hold('short-away', 'short-after');
    await cluster.temporal.kill();
    site.release('short-away', 'ansible-0');
    await stayAway(2000);
    await cluster.temporal.start();
    site.release('short-after', 'ansible-0');
    await expectUntouched('short-away', 'short-after');
  }, 120_000);

  test('a Temporal that is away for longer than the heartbeat time-out costs time only', async () => {
    await hold('long-away', 'long-after');
    await cluster.temporal.kill();
    const away = stayAway(HEARTBEAT_TIMEOUT_MS + 5000);
    await goOn('long-away');
    await site.submit('long-new');
    await away;
    await cluster.temporal.start();
    site.release('long-after', 'ansible-0');
    await expectUntouched('long-away', 'long-after', 'long-new');
  }, 180_000);

  test('the death of API, worker and Temporal at once costs time only', async () => {
    const all: readonly ManagedProcess[] = [cluster.worker, cluster.api, cluster.temporal];
    await hold('all-away', 'all-after');
    await Promise.all(all.map((each) => each.kill()));
    site.release('all-away', 'ansible-0');
    await cluster.temporal.start();
    await Promise.all([cluster.api.start(), cluster.worker.start()]);
    site.release('all-after', 'ansible-0');
    await expectUntouched('all-away', 'all-after');
  }, 180_000);
});
