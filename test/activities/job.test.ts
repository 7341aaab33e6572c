import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ActivityDependencies } from '../../src/activities/dependencies.js';
import { ServiceError } from '../../src/core/errors.js';
import { planJob } from '../../src/core/plan.js';
import type { Session } from '../../src/core/session.js';
import type { Runner } from '../../src/runner/runner.js';
import { aRunnerWith, openActivitySite, type ActivitySite } from '../support/activity-site.js';
import { aSnapshot } from '../support/session-builders.js';
import { aNewSession, at, readAll } from '../support/store-builders.js';

const jobId = 'cfs-a-0123abcd';
const { signal: never } = new AbortController();
const sites: ActivitySite[] = [];

async function open(
  machine: string,
  replace: Partial<ActivityDependencies> = {},
): Promise<ActivitySite> {
  const [first] = sites;
  const site = await openActivitySite({
    machine,
    ...replace,
    ...(first === undefined ? {} : { store: first.store }),
  });
  sites.push(site);
  return site;
}

beforeEach(async () => {
  const { store } = await open('m1');
  const groups = [{ name: 'compute', members: ['x1'] }];
  const target = { definition: 'spec', groups } as const;
  await store.sessions.insert(aNewSession('a', { target }));
  await store.sessions.saveSnapshot(jobId, aSnapshot());
});
afterEach(async () => {
  for (const site of sites.splice(0).reverse()) await site.close();
});

describe('launchJob', () => {
  test('launches nothing on a machine that the session was taken from, but on the next one', async () => {
    const [frozen, next] = [sites[0] as ActivitySite, await open('m2')];
    const { store } = frozen;
    const act = (site: ActivitySite, name: 'resolveConfiguration' | 'stageInventory') =>
      site.run<{ jobId: string }, unknown>(site.activities[name], { jobId });
    await frozen.run(frozen.activities.claimSession, { jobId });
    await act(frozen, 'resolveConfiguration');
    await act(frozen, 'stageInventory');
    // The first machine had prepared the job and was about to record the launch.
    await store.logs.handOver(jobId, 'inventory');
    expect(await store.sessions.unclaim(jobId, 'm1')).toBe(true);

    await next.run(next.activities.claimSession, { jobId });
    await act(next, 'stageInventory');
    expect(await frozen.run(frozen.activities.launchJob, { jobId })).toEqual({ launched: false });
    expect(await frozen.runner.find(jobId, never)).toBeUndefined();

    await store.sessions.recordLaunch(jobId, { at: at(1), incarnation: 'gone', machine: 'm2' });
    expect(await frozen.run(frozen.activities.launchJob, { jobId })).toEqual({ launched: true });
    expect(await frozen.runner.find(jobId, never)).toBeUndefined();
    const { 'inventory-notes': notes } = await store.stagedFiles.read(jobId);
    const log = await readAll(store.logs.read(jobId, 'inventory', 0));
    expect(gunzipSync(notes ?? '').toString()).toBe(log);
  });

  test('gives the job all that the worker has logged, and the worker logs nothing more', async () => {
    let notes = '';
    const runner: Runner = {
      ...aRunnerWith({ kind: 'killed', reason: 'lost' }, ''),
      async prepare({ files }) {
        await store.logs.appendLine(jobId, 'inventory', 'too late');
        notes = gunzipSync(files['inventory-notes'] ?? '').toString();
        return 'i';
      },
      release: () => Promise.resolve(),
    };
    const { store } = sites[0] as ActivitySite;
    const site = await open('m1', { runner });
    await site.run(site.activities.claimSession, { jobId });
    await site.run(site.activities.resolveConfiguration, { jobId });
    await site.run<{ jobId: string }, unknown>(site.activities.stageInventory, { jobId });
    expect(await site.run(site.activities.launchJob, { jobId })).toEqual({ launched: true });
    expect(notes).not.toBe('');
    expect(await readAll(store.logs.read(jobId, 'inventory', 0))).toBe(notes);
  });

  test('launches no session that ended while it waited for hosts, and does not wait for them', async () => {
    const site = sites[0] as ActivitySite;
    const { activities, store } = site;
    await store.options.patch({ hostLocks: true });
    const groups = [{ name: 'compute', members: ['x1'] }];
    const target = { definition: 'spec', groups } as const;
    const behind = (await store.sessions.insert(aNewSession('b', { target }))).jobId;
    await store.sessions.saveSnapshot(behind, aSnapshot());
    for (const each of [jobId, behind]) {
      await site.run(activities.claimSession, { jobId: each });
      await site.run(activities.resolveConfiguration, { jobId: each });
      await site.run<{ jobId: string }, unknown>(activities.stageInventory, { jobId: each });
    }
    const end = { succeeded: 'false', reason: 'INVENTORY' } as const;
    await store.sessions.recordOutcome(behind, end, new Date().toISOString());
    expect(await store.sessions.get(behind)).toMatchObject({ desired: 'run', waitsFor: jobId });
    expect(await site.run(activities.launchJob, { jobId: behind })).toEqual({ launched: false });
  });

  test.each([
    ['the place', 'claimSession'],
    ['the plan', 'resolveConfiguration'],
    ['the inventory', 'stageInventory'],
  ] as const)(
    'launches nothing if the record has lost %s, and keeps nothing that was prepared',
    async (what, lost) => {
      const site = sites[0] as ActivitySite;
      const { store, activities, runner } = site;
      const target = { definition: 'spec', groups: [{ name: 'g', members: ['x1'] }] } as const;
      const { jobId: id } = await store.sessions.insert(aNewSession('back', { target }));
      const files = { inventory: gzipSync('all: {}') };
      const job = planJob((await store.sessions.get(id)) as Session, aSnapshot());
      await runner.prepare({ job, files, token: 't' }, never);
      if (lost !== 'claimSession') await site.run(activities.claimSession, { jobId: id });
      if (lost !== 'resolveConfiguration') await store.sessions.saveSnapshot(id, aSnapshot());
      if (lost !== 'stageInventory') await store.stagedFiles.save(id, 'inventory', files.inventory);
      await expect(site.run(activities.launchJob, { jobId: id })).rejects.toMatchObject({
        isSetBack: true,
        message: `The database has lost ${what} of job ${id}: it was set back to an earlier moment.`,
      });
      expect(await runner.find(id, never)).toBeUndefined();
      expect(await store.sessions.get(id)).not.toHaveProperty('launchedAt');
    },
  );

  test('tells on the record that the platform is away, until the job is launched', async () => {
    let isAway = true;
    const unlessAway = <T>(value: T) =>
      isAway
        ? Promise.reject(new ServiceError('unavailable', 'Kubernetes at c could not be reached.'))
        : Promise.resolve(value);
    const runner: Runner = {
      ...aRunnerWith({ kind: 'killed', reason: 'lost' }, ''),
      find: () => unlessAway(undefined),
      prepare: () => unlessAway('i'),
      release: () => Promise.resolve(),
    };
    const { store } = sites[0] as ActivitySite;
    const site = await open('m1', { runner });
    const { activities } = site;
    const run = <O>(activity: (input: { jobId: string }) => Promise<O>) =>
      site.run(activity, { jobId });
    const readWait = async () => (await store.sessions.get(jobId))?.waiting?.message;
    await run(activities.claimSession);
    await run(activities.resolveConfiguration);
    await run(activities.stageInventory);
    await expect(run(activities.launchJob)).rejects.toThrow();
    expect(await readWait()).toBe('Waiting: Kubernetes at c could not be reached.');
    isAway = false;
    expect(await run(activities.launchJob)).toEqual({ launched: true });
    expect(await readWait()).toBeUndefined();
  });
});

describe('stageInventory', () => {
  test('says that the plan is lost, to which it would write', async () => {
    const site = sites[0] as ActivitySite;
    const { stageInventory } = site.activities;
    const stage = site.run<{ jobId: string }, unknown>(stageInventory, { jobId });
    await expect(stage).rejects.toMatchObject({ isSetBack: true });
  });

  test('does nothing if its workflow was reset to before the launch', async () => {
    const site = sites[0] as ActivitySite;
    const { store, activities } = site;
    await site.run(activities.claimSession, { jobId });
    await site.run(activities.resolveConfiguration, { jobId });
    const stage = () => site.run<{ jobId: string }, unknown>(activities.stageInventory, { jobId });
    await stage();
    const read = () => readAll(store.logs.read(jobId, 'inventory', 0));
    const log = await read();
    await store.sessions.recordLaunch(jobId, { at: at(1), incarnation: 'i', machine: 'm1' });
    expect(await stage()).toBeUndefined();
    expect(await read()).toBe(log);
  });
});

describe('stopJob', () => {
  test('puts on the record the launch that it has lost, so that the job is not forgotten', async () => {
    const runner: Runner = {
      ...aRunnerWith({ kind: 'killed', reason: 'stopped' }, ''),
      find: () => Promise.resolve({ jobId, incarnation: 'i', state: 'ended' }),
    };
    const site = await open('m1', { runner });
    await site.run(site.activities.stopJob, { jobId });
    expect(await sites[0]?.store.sessions.get(jobId)).toMatchObject({
      ...{ incarnation: 'i', stoppedAt: expect.any(String), launchedAt: expect.any(String) },
    });
  });
});
