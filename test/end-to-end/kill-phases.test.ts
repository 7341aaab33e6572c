import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { startCluster, type Cluster } from '../support/cluster.js';
import { createKillSite, PHASES, type HeldPhase, type KillSite } from '../support/kill-site.js';
import { readVerdict, untouched } from '../support/kill-verdict.js';
import { watchStates, type StateWatch } from '../support/kill-watch.js';

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

async function submitHeld(name: string, phase: HeldPhase): Promise<void> {
  await site.submit(name, phase);
  watches.push(watchStates(cluster, name));
  await site.whenHeld(name, phase);
}

describe('a worker that is killed', () => {
  test('costs no session anything, in whatever phase it is and wherever the phase ends', async () => {
    const sessions = PHASES.flatMap((phase) => [
      { name: `away-${phase}`, phase },
      { name: `after-${phase}`, phase },
    ]);
    await Promise.all(sessions.map(({ name, phase }) => submitHeld(name, phase)));
    await cluster.worker.kill();
    const away = sessions.filter(({ name }) => name.startsWith('away'));
    for (const { name, phase } of away) site.release(name, phase);
    await Promise.all(away.map(({ name }) => site.whenJobEnds(name)));
    await cluster.worker.start();
    for (const { name, phase } of sessions) if (name.startsWith('after')) site.release(name, phase);
    await Promise.all(sessions.map(({ name }) => cluster.waitUntilComplete(name, 100_000)));
    for (const { name } of sessions)
      expect({ name, ...(await readVerdict(cluster, site, name)) }).toEqual({
        name,
        ...untouched(cluster),
      });
    expect(watches.flatMap((watch) => watch.regress() ?? [])).toEqual([]);
  }, 180_000);
});
