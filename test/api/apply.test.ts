import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createGitClient } from '../../src/clients/git.js';
import { toCheck } from '../../src/core/check-mode.js';
import { toSnapshot } from '../../src/core/pin.js';
import type { Outcome, Snapshot } from '../../src/core/session.js';
import { createRepository, type Repository } from '../support/git-repository.js';
import { aNewSession, at } from '../support/store-builders.js';
import { findFreePort } from '../support/ssh-host.js';
import { openService, type TestService } from './service.js';

let service: TestService;
let repository: Repository;
/** The commit of its branch. */
let head: string;
beforeAll(async () => {
  service = await openService({ git: createGitClient({ protocols: 'file:http' }) });
  repository = createRepository({ files: { 'site.yml': '[]\n' } });
  head = repository.commit;
});
afterAll(async () => {
  repository.remove();
  await service.close();
});

const lastUpdated = '2026-01-01T00:00:00Z';
const apply = (name: string, body?: unknown, to = service) =>
  to.ask('POST', `/v3/sessions/${name}/apply`, body);
const find = async (name: string) => {
  const session = await service.store.sessions.find(name);
  if (session === undefined) throw new Error(`There is no session ${name}.`);
  return session;
};
const because = (text: RegExp) => ({
  status: 409,
  body: { title: 'Session cannot be applied', detail: expect.stringMatching(text) },
});

/** Stores a configuration with one layer, which follows the default branch. */
async function follow(name: string, cloneUrl = repository.url): Promise<void> {
  const layers = [{ name: 'base', cloneUrl, playbook: 'site.yml' }];
  await service.store.configurations.save({ name, lastUpdated, layers });
}

/** Adds a check of the configuration with the same name, run at the present commit of the repository. */
async function check(
  name: string,
  outcome: Outcome | null = { succeeded: 'true' },
  more: Partial<Snapshot> = {},
): Promise<void> {
  const { store } = service;
  await follow(name);
  const asked = { ansiblePassthrough: '--tags a', tags: { owner: 'ann' } };
  const { jobId, request } = await store.sessions.insert(
    aNewSession(name, toCheck({ ...aNewSession(name).request, configurationName: name, ...asked })),
  );
  const configuration = (await store.configurations.find(name))?.configuration;
  const basis = { request, configuration, options: await store.options.get() };
  const snapshot = toSnapshot(basis, { layers: [{ url: repository.url, commit: head }] });
  await store.sessions.claim(jobId, { at: at(1) });
  await store.sessions.saveSnapshot(jobId, { ...snapshot, ...more });
  if (outcome !== null) await store.sessions.recordOutcome(jobId, outcome, at(30));
}

describe('POST /v3/sessions/{name}/apply', () => {
  test('makes a session with the request of the check, fixed to the commits that were checked', async () => {
    await check('look');
    const answer = await apply('look');
    expect(answer).toMatchObject({
      status: 201,
      body: {
        ...{ name: 'look-apply', configuration: { name: 'look' }, tags: { owner: 'ann' } },
        ansible: { passthrough: '--tags a' },
        status: { session: { status: 'pending', check_mode: false, apply_of: 'look' } },
      },
    });
    expect((await service.ask('GET', '/v3/sessions/look-apply')).body).toEqual(answer.body);
    expect((await find('look-apply')).snapshot).toEqual((await find('look')).snapshot);
    expect((await service.ask('GET', '/v2/sessions/look-apply')).body).not.toMatchObject({
      status: { session: { applyOf: expect.anything() } },
    });
  });

  test('makes one session from many concurrent requests', async () => {
    await check('often');
    const answers = await Promise.all(Array.from({ length: 5 }, () => apply('often')));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409]);
    expect(await apply('often')).toMatchObject(because(/^Session often-apply already exists\. /));
    expect(await apply('often', { name: 'once-more' })).toMatchObject({ status: 201 });
    expect(await apply('often', { name: 'once-more' })).toMatchObject({
      ...{ status: 409, body: { title: 'Conflicting session name' } },
    });
  });

  test('is 409 once the branch has moved, and names both commits', async () => {
    await check('moved');
    const before = head;
    head = repository.addCommit({ files: { 'a.yml': '[]\n' } });
    const { status, body } = await apply('moved');
    const from = `site.yml of ${repository.url} at`;
    expect([status, (body as { detail: string }).detail]).toEqual([
      409,
      `This is no longer what session moved checked: layer 0 (base) was ${from} ${before} and is ${from} ${head}. Run a new check.`,
    ]);
    expect(await service.store.sessions.find('moved-apply')).toBeUndefined();
  });

  test('is 409 for a session that is not a check, is not complete, or has not succeeded', async () => {
    await service.ask('POST', '/v3/sessions', { name: 'real', configuration_name: 'debug_noop' });
    expect(await apply('real')).toMatchObject(because(/^Session real is not a check: /));
    await check('early', null);
    expect(await apply('early')).toMatchObject(because(/^Session early is pending: /));
    await check('failed', { succeeded: 'false', reason: 'TASK_FAILED' });
    expect(await apply('failed')).toMatchObject(because(/did not succeed, .* Retry it first\.$/));
    await check('guessed', { succeeded: 'true' }, { isGuess: true });
    expect(await apply('guessed')).toMatchObject(because(/without the commits that it checked/));
  });

  test('is 409 if it can no longer be compared, 503 if the git server does not answer', async () => {
    await check('orphan');
    await service.ask('DELETE', '/v3/configurations/orphan');
    expect(await apply('orphan')).toMatchObject(because(/Configuration orphan was deleted/));
    await check('away');
    await follow('away', `http://127.0.0.1:${await findFreePort()}/a.git`);
    expect((await apply('away')).status).toBe(503);
    expect(await service.store.sessions.find('away-apply')).toBeUndefined();
  });

  test('is 404 for no such session, 400 for bad members, 405 for another method', async () => {
    expect(await apply('nobody')).toMatchObject({ status: 404 });
    await check('strict');
    for (const [body, member] of [
      [{ force: true }, 'force'],
      [{ name: 'Bad' }, 'name'],
      [{ name: null }, 'name'],
    ] as const)
      expect(await apply('strict', body)).toMatchObject({
        ...{ status: 400, body: { detail: expect.stringMatching(member) } },
      });
    expect((await service.ask('GET', '/v3/sessions/strict/apply')).status).toBe(405);
    expect(await service.store.sessions.find('strict-apply')).toBeUndefined();
  });

  test('is 409 if an external operator would run it, which knows no commits', async () => {
    await check('inside');
    const outside = await openService({ store: service.store, isExternal: true });
    expect(await apply('inside', undefined, outside)).toMatchObject(because(/RUNNER=none/));
  });
});
