import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { HostResult } from '../../src/core/job.js';
import type { Outcome } from '../../src/core/session.js';
import { aLayer, aSnapshot } from '../support/session-builders.js';
import { at } from '../support/store-builders.js';
import { openService, type TestService } from './service.js';

let service: TestService;
beforeAll(async () => {
  service = await openService();
  const layers = [0, 1].map((index) => ({
    clone_url: `https://git.example.org/layer${index}.git`,
    commit: '1'.repeat(40),
    playbook: 'site.yml',
  }));
  await service.ask('PUT', '/v3/configurations/two', { layers });
});
afterAll(() => service.close());

const post = (name: string, body: object = {}) =>
  service.ask('POST', '/v3/sessions', { name, configuration_name: 'two', ...body });
const retry = (name: string, body?: unknown) =>
  service.ask('POST', `/v3/sessions/${name}/retry`, body);
const find = async (name: string) => {
  const session = await service.store.sessions.find(name);
  if (session === undefined) throw new Error(`There is no session ${name}.`);
  return session;
};

async function end(name: string, outcome: Outcome = { succeeded: 'false' }): Promise<void> {
  await service.store.sessions.recordOutcome((await find(name)).jobId, outcome, at(30));
}

/** Fails a session whose first layer is done, and whose second has run on all hosts but failed on the first. */
async function fail(name: string, { hosts = 3, whole = true, exits = [0, 2] } = {}): Promise<void> {
  const { store } = service;
  const { jobId } = await find(name);
  await store.sessions.claim(jobId, { at: at(1) });
  const layers = [0, 1].map((index) => aLayer({ index }));
  await store.sessions.saveSnapshot(jobId, aSnapshot({ layers }));
  const names = ['ansible-0', 'ansible-1'];
  await store.phases.savePlan(
    jobId,
    names.map((phase) => ({ name: phase, kind: 'ansible', title: phase })),
  );
  for (const [index, phase] of names.entries()) {
    const exitCode = exits[index] ?? 0;
    await store.hosts.save(jobId, phase, {
      ...{ sequence: 1, final: true, whole },
      hosts: Array.from({ length: hosts }, (_, host) =>
        aHost(`n${host}`, host === 0 ? exitCode : 0),
      ),
    });
    const times = { startedAt: at(10), endedAt: at(20) };
    await store.phases.seal(jobId, phase, { kind: 'exited', exitCode, ...times }, at(20));
  }
  await end(name, { succeeded: 'false', reason: 'TASK_FAILED' });
}

const aHost = (host: string, failed: number): Omit<HostResult, 'phase'> => ({
  ...{ host, ok: 1, changed: 0, failed, skipped: 0, unreachable: 0, incomplete: false },
});
const refused = { status: 409, body: { title: 'Session cannot be retried' } };
const because = (text: RegExp) => ({
  ...refused,
  body: { ...refused.body, detail: expect.stringMatching(text) },
});

describe('POST /v3/sessions/{name}/retry', () => {
  test('makes a session with the same request and a record of the work that is done', async () => {
    const body = {
      ...{ ansible_limit: 'lab', ansible_verbosity: 2, configuration_limit: '0,1' },
      ...{ tags: { owner: 'ann' }, debug_on_failure: true },
    };
    const first = await post('first', body);
    await fail('first');
    const answer = await retry('first');
    const { status, logs, ...request } = first.body as { status: object; logs: string };
    expect(answer).toMatchObject({
      status: 201,
      body: {
        ...request,
        name: 'first-retry-1',
        logs: logs.replace('first', 'first-retry-1'),
        status: { session: { status: 'pending', succeeded: 'none', retry_of: 'first' } },
      },
    });
    expect(status).toMatchObject({ session: { retry_of: null } });
    const known = aLayer();
    const layer = (index: number) => ({
      url: `https://git.example.org/layer${index}.git`,
      commit: known.repository.commit,
      playbook: 'site.yml',
    });
    expect((await find('first-retry-1')).done).toEqual({
      layers: [layer(0)],
      partial: { layer: layer(1), hosts: ['n1', 'n2'] },
    });
    expect((await service.ask('GET', '/v3/sessions/first-retry-1')).body).toEqual(answer.body);
    expect((await service.ask('GET', '/v2/sessions/first-retry-1')).body).not.toMatchObject({
      status: { session: { retryOf: expect.anything() } },
    });
  });

  test('reads more results than one page has', async () => {
    await post('many');
    await fail('many', { hosts: 2_345 });
    await retry('many', { name: 'many-more' });
    const { partial } = (await find('many-more')).done ?? {};
    expect(new Set(partial?.hosts).size).toBe(2_344);
    expect(partial?.hosts).not.toContain('n0');
  });

  test('leaves no host out if Ansible may have broken off', async () => {
    await post('broken');
    await fail('broken', { whole: false });
    await retry('broken');
    const { done } = await find('broken-retry-1');
    expect(done?.layers).toHaveLength(1);
    expect(done).not.toHaveProperty('partial');
  });

  test('retries a session that was cancelled before it did anything', async () => {
    await post('early');
    await service.ask('POST', '/v3/sessions/early/cancel');
    expect(await retry('early')).toMatchObject({ status: 201 });
    expect((await find('early-retry-1')).done).toBeUndefined();
  });

  test('makes one session from many concurrent requests', async () => {
    await post('often');
    await end('often');
    const answers = await Promise.all(Array.from({ length: 5 }, () => retry('often')));
    const counts = answers.map(({ status }) => status).sort();
    expect(counts).toEqual([201, 409, 409, 409, 409]);
    expect(await retry('often')).toMatchObject(
      because(/^Session often-retry-1 already exists\. .*name the retry\.$/),
    );
    expect(await retry('often', { name: 'once-more' })).toMatchObject({ status: 201 });
    expect(await retry('often', { name: 'once-more' })).toMatchObject({
      status: 409,
      body: { title: 'Conflicting session name' },
    });
    await end('often-retry-1');
    expect(await retry('often-retry-1')).toMatchObject({ body: { name: 'often-retry-2' } });
  });

  test('is 409 while the session is not complete, and if nothing is left to do', async () => {
    await post('running');
    expect(await retry('running')).toMatchObject(because(/is pending: it can be retried when/));
    await end('running', { succeeded: 'true' });
    expect(await retry('running')).toMatchObject(because(/session running has succeeded/));
    await post('late');
    await fail('late', { exits: [0, 0] });
    expect(await retry('late')).toMatchObject(because(/every layer of session late succeeded/));
  });

  test('refuses a retry that the present configuration does not allow', async () => {
    await post('orphan', { configuration_name: 'debug_noop' });
    await end('orphan');
    expect(await retry('orphan')).toMatchObject({ status: 201 });
    await service.ask('PUT', '/v3/configurations/gone', { layers: [] });
    await post('lost', { configuration_name: 'gone' });
    await end('lost');
    await service.ask('DELETE', '/v3/configurations/gone');
    expect(await retry('lost')).toMatchObject({
      ...{ status: 400, body: { title: 'Invalid configuration' } },
    });
  });

  test('is 404 for no such session, 400 for bad members, 405 for another method', async () => {
    expect(await retry('nobody')).toMatchObject({ status: 404 });
    await post('strict');
    await end('strict');
    for (const [body, member] of [
      [{ force: true }, 'force'],
      [{ name: 'Bad' }, 'name'],
      [{ name: 'a'.repeat(46) }, 'name'],
      [{ name: null }, 'name'],
    ] as const) {
      const detail = expect.stringMatching(member);
      expect(await retry('strict', body)).toMatchObject({ status: 400, body: { detail } });
    }
    expect((await service.ask('GET', '/v3/sessions/strict/retry')).status).toBe(405);
    expect(await service.store.sessions.find('strict-retry-1')).toBeUndefined();
  });
});

test('an external operator gets only the request', async () => {
  const outside = await openService({ isExternal: true });
  try {
    await outside.ask('POST', '/v3/sessions', { name: 'a', configuration_name: 'debug_noop' });
    await outside.ask('PATCH', '/v3/sessions/a', {
      status: { session: { status: 'complete', succeeded: 'false' } },
    });
    expect(await outside.ask('POST', '/v3/sessions/a/retry')).toMatchObject({
      ...{ status: 201, body: { status: { session: { status: 'pending', retry_of: 'a' } } } },
    });
    expect(await outside.store.sessions.find('a-retry-1')).toMatchObject({ external: true });
  } finally {
    await outside.close();
  }
});
