import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { startCluster, type Cluster } from '../support/cluster.js';
import { createKillSite, type KillSite } from '../support/kill-site.js';
import { awaitVerdict, untouched } from '../support/kill-verdict.js';
import { watchStates, type StateWatch } from '../support/kill-watch.js';

/** Longer than the heartbeat time-out of a phase. */
const LONG_MS = 35_000;
const SHORT_MS = 2_000;

let cluster: Cluster;
let site: KillSite;
let watches: StateWatch[] = [];
beforeAll(async () => {
  cluster = await startCluster();
  site = await createKillSite(cluster);
});
afterEach(async () => {
  for (const watch of watches) await watch.close();
  watches = [];
});
afterAll(async () => {
  await site.close();
  await cluster.close();
});

async function hold(...names: readonly string[]): Promise<void> {
  await Promise.all(names.map((name) => site.submit(name, 'ansible-0')));
  watches = names.map((name) => watchStates(cluster, name));
  await Promise.all(names.map((name) => site.whenHeld(name, 'ansible-0')));
}

async function expectUntouched(...names: readonly string[]): Promise<void> {
  await Promise.all(names.map((name) => cluster.waitUntilComplete(name, 180_000)));
  for (const name of names)
    expect({ name, ...(await awaitVerdict(cluster, site, name)) }).toEqual({
      name,
      ...untouched(cluster),
    });
  expect(watches.flatMap((watch) => watch.regress() ?? [])).toEqual([]);
}

/** Sleeps, because the length of the outage is what is tested. No assertion depends on it. */
const stayAway = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

// The chaos suite does so too, at random moments. These two are tested with every commit.
describe('a Temporal that is killed during ansible-0 and keeps its file', () => {
  test('is not missed when it is away for two seconds', async () => {
    await hold('short-away', 'short-after');
    await cluster.temporal.kill();
    site.release('short-away', 'ansible-0');
    await stayAway(SHORT_MS);
    await cluster.temporal.start();
    site.release('short-after', 'ansible-0');
    await expectUntouched('short-away', 'short-after');
  }, 300_000);

  test('only costs time when it is away for longer than the heartbeat time-out', async () => {
    await hold('long-away', 'long-after');
    await cluster.temporal.kill();
    const away = stayAway(LONG_MS);
    site.release('long-away', 'ansible-0');
    await site.submit('long-new');
    await away;
    await cluster.temporal.start();
    site.release('long-after', 'ansible-0');
    await expectUntouched('long-away', 'long-after', 'long-new');
  }, 300_000);
});
