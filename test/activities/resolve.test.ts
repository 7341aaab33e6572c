import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createGitClient } from '../../src/clients/git.js';
import { DEFAULT_OPTIONS } from '../../src/core/options.js';
import type { DoneWork } from '../../src/core/session.js';
import { openActivitySite, type ActivitySite } from '../support/activity-site.js';
import { createRepository, type Repository } from '../support/git-repository.js';
import { findFreePort } from '../support/ssh-host.js';
import { aLayer, aSnapshot, DEFAULT_TIME_LIMITS } from '../support/session-builders.js';
import { aNewSession, readAll } from '../support/store-builders.js';

let site: ActivitySite;
let repository: Repository;
beforeAll(async () => {
  site = await openActivitySite({ git: createGitClient({ protocols: 'file:http' }) });
  repository = createRepository({ files: { 'site.yml': '[]\n' } });
});
afterAll(async () => {
  repository.remove();
  await site.close();
});

const lastUpdated = '2026-01-01T00:00:00Z';
const resolve = (jobId: string) => site.run(site.activities.resolveConfiguration, { jobId });

async function insert(name: string, request: object = {}): Promise<string> {
  const session = aNewSession(name, { configurationName: name, ...request });
  return (await site.store.sessions.insert(session)).jobId;
}

describe('resolveConfiguration', () => {
  test('pins a layer without a commit to where its branch stands, once', async () => {
    const layers = [{ cloneUrl: repository.url, playbook: 'site.yml' }];
    await site.store.configurations.save({ name: 'floating', lastUpdated, layers });
    const jobId = await insert('floating');
    const before = repository.addCommit({ files: { 'a.yml': '[]\n' } });
    const first = await resolve(jobId);
    repository.addCommit({ files: { 'b.yml': '[]\n' } });
    expect(await resolve(jobId)).toEqual(first);
    const session = await site.store.sessions.get(jobId);
    expect(session?.snapshot?.layers[0]?.repository.commit).toBe(before);
    expect((await site.store.phases.list(jobId)).map(({ name, state }) => [name, state])).toEqual([
      ['git-clone-0', 'pending'],
      ['inventory', 'pending'],
      ['ansible-0', 'pending'],
    ]);
  });

  test('takes commits for a guess where a restored record lacks those of its job, whose log it leaves alone', async () => {
    const layers = [{ cloneUrl: repository.url, playbook: 'site.yml' }];
    await site.store.configurations.save({ name: 'restored', lastUpdated, layers });
    const earlier = await insert('restored');
    await resolve(earlier);
    const request = { configurationName: 'restored', retryOf: 'first' };
    const jobId = await insert('restored-later', request);
    const launched = await insert('restored-launched', { configurationName: 'restored' });
    await site.store.sessions.recordLaunch(launched, { at: lastUpdated, incarnation: 'i' });
    await site.store.sweep.attachOnly();
    const isGuess = async (id: string) => (await site.store.sessions.get(id))?.snapshot?.isGuess;
    for (const each of [earlier, jobId, launched]) await resolve(each);
    expect(await Promise.all([earlier, jobId, launched].map(isGuess))).toEqual([
      undefined,
      true,
      true,
    ]);
    expect(await readAll(site.store.logs.read(jobId, 'inventory', 0))).toBe('');
  });

  test('takes the additional inventory of the option where the configuration has none', async () => {
    await site.store.options.patch({ additionalInventoryUrl: repository.url });
    await site.store.configurations.save({ name: 'plain', lastUpdated, layers: [] });
    const { phases } = await resolve(await insert('plain'));
    expect(phases.map(({ name }) => name)).toEqual(['git-clone-hosts', 'inventory']);
    await site.store.options.patch({ additionalInventoryUrl: '' });
  });

  test('tells that git is away, and in the log how long it was', async () => {
    const cloneUrl = `http://127.0.0.1:${await findFreePort()}/away.git`;
    const save = (url: string) =>
      site.store.configurations.save({
        ...{ name: 'away', lastUpdated },
        layers: [{ cloneUrl: url, playbook: 'site.yml' }],
      });
    await save(cloneUrl);
    const jobId = await insert('away');
    const readWait = async () => (await site.store.sessions.get(jobId))?.waiting?.message;
    await expect(resolve(jobId)).rejects.toMatchObject({ type: 'unavailable' });
    const wait = await readWait();
    expect(wait).toMatch(/^Waiting: .*away\.git.*Retrying for up to 600 s \(clone_time_limit\)\.$/);
    await save(repository.url);
    const { phases } = site.store;
    const working = { ...phases };
    Object.assign(phases, { savePlan: () => Promise.reject(new Error('The worker died.')) });
    await expect(resolve(jobId)).rejects.toThrow('The worker died.');
    Object.assign(phases, working);
    await resolve(jobId);
    expect(await readWait()).toBeUndefined();
    const log = await readAll(site.store.logs.read(jobId, 'inventory', 0));
    expect(log).toMatch(/^Waited \d+ s\. Waiting: .*away\.git/m);
  });

  test('does not count the time in which a repository waits for its turn and the server answers others', async () => {
    const limitMs = 2000;
    let isToldToWait = false;
    const busy = await openActivitySite({
      git: {
        async resolve(_url, _ref, signal, _access, onMove) {
          const until = Date.now() + 2 * limitMs;
          for (; Date.now() < until || !isToldToWait; onMove?.())
            await pause(50, undefined, { signal });
          return 'a'.repeat(40);
        },
      },
    });
    const { sessions, configurations, options } = busy.store;
    const stored = { ...sessions };
    Object.assign(sessions, {
      // Git answers while a slow database has not stored yet that it does not.
      async recordWait(...wait: Parameters<typeof sessions.recordWait>) {
        isToldToWait = true;
        await pause(500);
        return stored.recordWait(...wait);
      },
    });
    await options.patch({ cloneTimeLimit: limitMs / 1000 });
    const layers = [{ cloneUrl: 'https://busy/a.git', playbook: 'site.yml' }];
    await configurations.save({ name: 'busy', lastUpdated, layers });
    const { jobId } = await sessions.insert(aNewSession('busy', { configurationName: 'busy' }));
    await busy.run(busy.activities.resolveConfiguration, { jobId });
    const { snapshot, waiting } = (await sessions.get(jobId)) ?? {};
    expect(snapshot?.layers[0]?.repository.commit).toBe('a'.repeat(40));
    expect(waiting).toBeUndefined();
    expect(await readAll(busy.store.logs.read(jobId, 'inventory', 0))).toMatch(
      /^Waited \d+ s\. Waiting: Repository https:\/\/busy\/a\.git had not answered/,
    );
    await busy.close();
  });

  test('refuses a branch that is not there, with GIT_REF', async () => {
    const layers = [{ cloneUrl: repository.url, branch: 'gone', playbook: 'site.yml' }];
    await site.store.configurations.save({ name: 'bad-ref', lastUpdated, layers });
    await expect(resolve(await insert('bad-ref'))).rejects.toMatchObject({ reason: 'GIT_REF' });
  });

  test('refuses a limit that names no layer, and says which there are', async () => {
    const layers = [{ name: 'base', cloneUrl: repository.url, playbook: 'site.yml' }];
    await site.store.configurations.save({ name: 'limited', lastUpdated, layers });
    await expect(
      resolve(await insert('limited', { configurationLimit: 'bas' })),
    ).rejects.toMatchObject({
      reason: 'PLAYBOOK_ERROR',
      message: expect.stringContaining('0 (base)'),
    });
  });

  test('says that a configuration was deleted before the session started', async () => {
    await expect(resolve(await insert('deleted'))).rejects.toThrow(
      'Configuration deleted was deleted before the session started.',
    );
  });

  test('fixes the time limits that the options have now', async () => {
    await site.store.options.patch({
      cloneTimeLimit: 7,
      phaseTimeLimit: 90,
      cancelGraceSeconds: 2,
    });
    const jobId = await insert('limits', { configurationName: 'debug_noop' });
    await resolve(jobId);
    await site.store.options.patch(DEFAULT_OPTIONS);
    await resolve(jobId);
    expect((await site.store.sessions.get(jobId))?.snapshot?.limits).toEqual({
      ...DEFAULT_TIME_LIMITS,
      cloneSeconds: 7,
      phaseSeconds: 90,
      cancelGraceSeconds: 2,
    });
  });

  test('says at the start of the log of a check that it is one', async () => {
    const check = { checkMode: true, ansiblePassthrough: '--check --diff' };
    const jobId = await insert('check', { configurationName: 'debug_noop', ...check });
    await resolve(jobId);
    expect(await readAll(site.store.logs.read(jobId, 'inventory', 0))).toMatch(
      /^Check mode \(--check --diff\): .* Only tasks with check_mode: false change anything\.\n$/,
    );
  });

  test('says it too if a worker died once it had stored what the session runs', async () => {
    const check = {
      checkMode: true,
      ansiblePassthrough: '--check --diff',
      retryOf: 'first',
    } as const;
    const jobId = await insert('died', { configurationName: 'debug_noop', ...check });
    await site.store.sessions.saveSnapshot(jobId, aSnapshot({ layers: [], debugPlaybook: 'noop' }));
    for (let attempt = 1; attempt <= 2; attempt += 1) await resolve(jobId);
    expect(await readAll(site.store.logs.read(jobId, 'inventory', 0))).toMatch(
      /^Check mode .*\nRetry of first: .*\n$/,
    );
  });

  test('runs what was fixed with the session, says so once in its log, and asks nobody for it', async () => {
    const snapshot = aSnapshot({ layers: [aLayer({ index: 3 })] });
    const request = { configurationName: 'nowhere', applyOf: 'look' };
    const given = { ...aNewSession('fixed', request), snapshot };
    const { jobId } = await site.store.sessions.insert(given);
    const { phases } = await resolve(jobId);
    expect(phases.map(({ name }) => name)).toEqual(['git-clone-3', 'inventory', 'ansible-3']);
    expect(await resolve(jobId)).toEqual({ phases });
    expect((await site.store.sessions.get(jobId))?.snapshot).toEqual(snapshot);
    expect(await readAll(site.store.logs.read(jobId, 'inventory', 0))).toBe(
      'Applies what session look has checked, at the same commits.\n',
    );
  });

  describe('of a retry', () => {
    const cloneUrl = () => repository.url;
    const layer = (commit: string) => ({ url: cloneUrl(), commit, playbook: 'site.yml' });
    const insertRetry = async (name: string, done: DoneWork) => {
      const session = aNewSession(name, { configurationName: 'three', retryOf: 'first' });
      return (await site.store.sessions.insert({ ...session, done })).jobId;
    };
    const save = (...commits: readonly string[]) =>
      site.store.configurations.save({
        ...{ name: 'three', lastUpdated },
        layers: commits.map((commit) => ({ cloneUrl: cloneUrl(), commit, playbook: 'site.yml' })),
      });
    const [a, b, c] = ['a', 'b', 'c'].map((digit) => digit.repeat(40)) as [string, string, string];

    test('leaves out what is done, says so at the start of the log, and gives the same when repeated', async () => {
      await save(a, b, c);
      const jobId = await insertRetry('second', {
        layers: [layer(a)],
        partial: { layer: layer(b), hosts: ['n1'] },
      });
      const first = await resolve(jobId);
      expect(first.phases.map(({ name }) => name)).toEqual([
        ...['git-clone-1', 'git-clone-2', 'inventory', 'ansible-1', 'ansible-2'],
      ]);
      expect(await resolve(jobId)).toEqual(first);
      expect(await readAll(site.store.logs.read(jobId, 'inventory', 0))).toBe(
        'Retry of first: layer 0 is done; layer 1 runs without the 1 host that has it.\n',
      );
    });

    test('runs what the configuration has now, from the first layer that has changed', async () => {
      await save(c, b, a);
      const jobId = await insertRetry('changed', { layers: [layer(a), layer(b)] });
      const { phases } = await resolve(jobId);
      expect(phases.map(({ name }) => name).filter((name) => /ansible/.test(name))).toEqual([
        ...['ansible-0', 'ansible-1', 'ansible-2'],
      ]);
      expect(await readAll(site.store.logs.read(jobId, 'inventory', 0))).toBe(
        'Retry of first: everything runs again: layer 0 has changed.\n',
      );
    });

    test('fails if the configuration has nothing left to do', async () => {
      await save(a);
      await expect(
        resolve(await insertRetry('empty', { layers: [layer(a)] })),
      ).rejects.toMatchObject({
        reason: 'PLAYBOOK_ERROR',
        message: expect.stringMatching(/^Nothing is left to do: session first .* three now has/),
      });
    });
  });

  test('runs a built-in playbook for a debug configuration', async () => {
    const jobId = await insert('noop', { configurationName: 'debug_noop' });
    const { phases } = await resolve(jobId);
    expect(phases.map(({ title }) => title)).toEqual([
      'inventory: dynamic',
      'ansible-0: noop.yaml',
    ]);
  });
});
