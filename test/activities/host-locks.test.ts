import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { InventoryInput, HostWait } from '../../src/activities/interface.js';
import { openActivitySite, type ActivitySite } from '../support/activity-site.js';
import { aSnapshot } from '../support/session-builders.js';
import { aNewSession, at, readAll } from '../support/store-builders.js';

const groups = [{ name: 'compute', members: ['x1'] }];
const jobIdOf = (name: string) => `cfs-${name}-0123abcd`;
const jobId = jobIdOf('b');

let site: ActivitySite;
/** Session a has host x1, and b waits for it. */
beforeEach(async () => {
  site = await openActivitySite();
  const { store } = site;
  await store.options.patch({ hostLocks: true });
  for (const name of ['a', 'b']) {
    await store.sessions.insert(aNewSession(name, { target: { definition: 'spec', groups } }));
    await store.sessions.saveSnapshot(jobIdOf(name), aSnapshot());
    await begin(name);
  }
});
afterEach(() => site.close());

/** What a workflow does first, also when it is started again. */
async function begin(name: string): Promise<HostWait | undefined> {
  await site.run(site.activities.claimSession, { jobId: jobIdOf(name) });
  await site.run(site.activities.resolveConfiguration, { jobId: jobIdOf(name) });
  return stage({ jobId: jobIdOf(name) });
}

const stage = (input: InventoryInput) =>
  site.run<InventoryInput, HostWait | undefined>(site.activities.stageInventory, input);

const end = (name: string) =>
  site.store.sessions.recordOutcome(jobIdOf(name), { succeeded: 'true' }, at(9));

describe('stageInventory', () => {
  test('keeps the time since which a session waits for its hosts if its workflow is started again', async () => {
    const { since } = (await site.store.sessions.get(jobId))?.waiting ?? {};
    expect(since).toEqual(expect.any(String));
    expect(await begin('b')).toEqual({ since, message: expect.stringContaining('session a') });
    await end('a');
    expect(await stage({ jobId, waitingSince: since ?? '' })).toBeUndefined();
    expect(await readAll(site.store.logs.read(jobId, 'inventory', 0))).toMatch(
      /Waited \d+ s for its hosts/,
    );
  });

  test('stages no inventory before the session has the hosts of it', async () => {
    const listStaged = async (name: string) =>
      Object.keys(await site.store.stagedFiles.read(jobIdOf(name)));
    expect(await listStaged('a')).toEqual(['inventory']);
    expect(await listStaged('b')).toEqual([]);
    await end('a');
    expect(await stage({ jobId })).toBeUndefined();
    expect(await listStaged('b')).toEqual(['inventory']);
  });

  test('lets a session go on at once if host_locks was turned off while it waited', async () => {
    await site.store.options.patch({ hostLocks: false });
    expect(await begin('b')).toBeUndefined();
    expect(await site.store.sessions.get(jobId)).not.toHaveProperty('waitsFor');
  });
});

describe('launchJob', () => {
  test('launches nothing while the session waits for its hosts, and all when they are free', async () => {
    const launch = () => site.run(site.activities.launchJob, { jobId });
    await expect(launch()).rejects.toMatchObject({ fault: 'busy' });
    await end('a');
    expect(await stage({ jobId })).toBeUndefined();
    expect(await launch()).toEqual({ launched: true });
    // Its directory is removed with the site.
    await site.run(site.activities.stopJob, { jobId });
  });
});
