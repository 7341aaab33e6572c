import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { toJobToken } from '../../src/api/job-token.js';
import { MASTER_KEY, openService, type TestService } from './service.js';

let service: TestService;
beforeAll(async () => {
  service = await openService();
});
afterAll(() => service.close());

const hold = {
  since: '2026-01-02T03:04:05.000Z',
  until: '2100-01-02T03:04:05.000Z',
  command: 'sh /jobs/a/workspace/shell-ansible-0',
};

/** A session whose job runs. */
async function launch(name: string, isHeld = true): Promise<string> {
  const body = { name, configuration_name: 'debug_fail', debug_on_failure: isHeld };
  await service.ask('POST', '/v3/sessions', body);
  const { jobId } = (await service.store.sessions.find(name)) ?? { jobId: '' };
  await service.store.phases.savePlan(jobId, [
    { name: 'ansible-0', kind: 'ansible', title: 'ansible-0: fail.yaml' },
  ]);
  await service.store.sessions.claim(jobId, { at: hold.since });
  await service.store.sessions.recordLaunch(jobId, { at: hold.since, incarnation: 'i' });
  return jobId;
}

function askAsJob(jobId: string, method: string, query = '', body?: unknown) {
  const headers = new Headers({ authorization: `Bearer ${toJobToken(MASTER_KEY, jobId)}` });
  return service.ask(method, `/jobs/${jobId}/phases/ansible-0/hold${query}`, body, headers);
}

const status = (session: Record<string, unknown>) => ({ status: { session } });

describe('POST /v3/sessions/{name}/release', () => {
  test('ends a hold on a machine whose clock is far behind', async () => {
    const jobId = await launch('behind');
    const until = '2026-01-02T04:04:05.000Z';
    await askAsJob(jobId, 'PUT', '', { ...hold, until, seconds_left: 3600 });
    const { body } = await service.ask('GET', '/v3/sessions/behind');
    const shown = (body as { status: { session: { held_until: string } } }).status.session;
    expect(Date.parse(shown.held_until)).toBeGreaterThan(Date.now());
    expect((await service.ask('POST', '/v3/sessions/behind/release')).status).toBe(202);
    await service.store.sessions.recordOutcome(jobId, { succeeded: 'false' }, hold.since);
  });

  test('ends a hold that is shown', async () => {
    const jobId = await launch('held');
    await askAsJob(jobId, 'PUT', '', hold);
    const shown = status({ held_until: hold.until, hold_command: hold.command });
    expect((await service.ask('GET', '/v3/sessions/held')).body).toMatchObject(shown);
    const list = (await service.ask('GET', '/v3/sessions?name_contains=held')).body;
    expect(list).toMatchObject({ sessions: [shown] });
    expect((await service.ask('GET', '/v3/sessions/held/phases')).body).toMatchObject({
      phases: [{ state: 'pending', hold: { ...hold, released: false, rerun: false } }],
    });

    const waiting = askAsJob(jobId, 'GET', '?wait=25');
    const released = await service.ask('POST', '/v3/sessions/held/release');
    const freed = status({ status: 'running', held_until: null, hold_command: null });
    expect(released).toMatchObject({ status: 202, body: freed });
    expect(await waiting).toMatchObject({ status: 200, body: { released: true } });
    expect((await service.ask('GET', '/v3/sessions/held')).body).toMatchObject(freed);
    expect((await service.ask('GET', '/v3/sessions/held/phases')).body).toMatchObject({
      phases: [{ hold: { ...hold, released: true } }],
    });
    expect((await service.ask('POST', '/v3/sessions/held/release', {})).status).toBe(202);
  });

  test('ends a hold that a restored record did not know to be wanted, and shows it before', async () => {
    const jobId = await launch('restored', false);
    await askAsJob(jobId, 'PUT', '', hold);
    expect((await service.ask('GET', '/v3/sessions/restored')).body).toMatchObject({
      debug_on_failure: true,
      ...status({ held_until: hold.until }),
    });
    expect((await service.ask('POST', '/v3/sessions/restored/release')).status).toBe(202);
  });

  test('is 409 if nothing is held, or the hold has ended', async () => {
    const jobId = await launch('free');
    const refused = { status: 409, body: { title: 'Session is not held' } };
    expect(await service.ask('POST', '/v3/sessions/free/release')).toMatchObject(refused);
    await askAsJob(jobId, 'PUT', '', hold);
    await askAsJob(jobId, 'PUT', '', { ...hold, until: '2026-01-02T03:05:00.000Z' });
    expect(await service.ask('POST', '/v3/sessions/free/release')).toMatchObject(refused);
    expect((await service.ask('GET', '/v3/sessions/free')).body).toMatchObject(
      status({ held_until: null }),
    );
    await service.store.sessions.recordOutcome(jobId, { succeeded: 'false' }, hold.since);
    expect(await service.ask('POST', '/v3/sessions/free/release')).toMatchObject(refused);
  });

  test('is 404 for no such session, 400 for a member, 405 for another method', async () => {
    expect((await service.ask('POST', '/v3/sessions/nobody/release')).status).toBe(404);
    await launch('strict');
    const answer = await service.ask('POST', '/v3/sessions/strict/release', { force: true });
    expect(answer).toMatchObject({ status: 400, body: { detail: expect.stringMatching('force') } });
    expect((await service.ask('GET', '/v3/sessions/strict/release')).status).toBe(405);
  });
});

describe('POST /v3/sessions/{name}/release with rerun', () => {
  const able = { ...hold, can_rerun: true };
  const release = (name: string, body: object) =>
    service.ask('POST', `/v3/sessions/${name}/release`, body);
  const refusal = (detail: string) => ({
    status: 409,
    body: { title: 'Session is not held', detail },
  });

  test('tells the job who asked for it, once, and shows that the phase runs again', async () => {
    const jobId = await launch('again');
    await askAsJob(jobId, 'PUT', '', able);
    const waiting = askAsJob(jobId, 'GET', `?wait=25&since=${hold.since}`);
    const freed = status({ status: 'running', held_until: null, hold_command: null });
    const asked = await release('again', { rerun: true, hold_since: hold.since });
    expect(asked).toMatchObject({ status: 202, body: freed });
    const told = { released: false, rerun: true, rerun_by: 'api' };
    expect(await waiting).toMatchObject({ status: 200, body: told });
    expect((await service.ask('GET', '/v3/sessions/again/phases')).body).toMatchObject({
      phases: [{ hold: { ...hold, released: false, rerun: true } }],
    });
    expect((await release('again', { rerun: true })).status).toBe(202);
    expect(await release('again', {})).toMatchObject(
      refusal('Session again is not held any more: its playbook runs again.'),
    );
  });

  test('does not end the hold that follows, when it is repeated or asked about late', async () => {
    const jobId = await launch('twice');
    await askAsJob(jobId, 'PUT', '', able);
    const first = { rerun: true, hold_since: hold.since };
    expect((await release('twice', first)).status).toBe(202);

    const since = '2026-01-02T03:10:00.000Z';
    const about = async () => (await askAsJob(jobId, 'GET', `?wait=0&since=${since}`)).body;
    expect(await about()).toEqual({ held: false, released: false, wanted: true });
    await askAsJob(jobId, 'PUT', '', { ...able, since });
    expect(await about()).toEqual({ held: true, released: false, wanted: true });
    expect((await release('twice', first)).status).toBe(202);
    expect((await service.ask('GET', '/v3/sessions/twice')).body).toMatchObject(
      status({ held_until: hold.until }),
    );
    expect(await release('twice', { hold_since: hold.since })).toMatchObject(
      refusal(`Session twice is held again, since ${since}.`),
    );
    expect((await release('twice', {})).status).toBe(202);
    expect(await about()).toEqual({ held: true, released: true, wanted: true });
    expect(await release('twice', { rerun: true })).toMatchObject(
      refusal('Session twice was released before, so its playbook does not run again.'),
    );
  });

  test('is answered again after the phase has ended, but only for the hold that is meant', async () => {
    const jobId = await launch('lost-answer');
    await askAsJob(jobId, 'PUT', '', able);
    expect((await release('lost-answer', { rerun: true })).status).toBe(202);
    const result = { kind: 'exited', exitCode: 0, startedAt: hold.since, endedAt: hold.since };
    await service.store.phases.seal(jobId, 'ansible-0', { ...result, kind: 'exited' }, hold.since);
    const meant = { rerun: true, hold_since: '2026-01-02T04:04:05+01:00' };
    expect((await release('lost-answer', meant)).status).toBe(202);
    expect(await release('lost-answer', { rerun: true })).toMatchObject(
      refusal('Session lost-answer is not held.'),
    );
  });

  test('is 409 for a job of an earlier version, a hold that is over, and a cancelled session', async () => {
    const jobId = await launch('refused');
    await askAsJob(jobId, 'PUT', '', hold);
    expect(await release('refused', { rerun: true })).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('was started by an earlier version') },
    });
    const over = { ...able, until: '2026-01-02T03:05:00.000Z' };
    await askAsJob(jobId, 'PUT', '', over);
    expect(await release('refused', { rerun: true })).toMatchObject(
      refusal('Session refused is not held.'),
    );
    await askAsJob(jobId, 'PUT', '', able);
    await service.ask('POST', '/v3/sessions/refused/cancel');
    expect(await release('refused', { rerun: true })).toMatchObject(
      refusal('Session refused is cancelled.'),
    );
    expect((await release('refused', {})).status).toBe(202);
  });

  test('is 400 for a member that is no boolean, or no time', async () => {
    await launch('odd');
    expect((await release('odd', { rerun: 'yes' })).status).toBe(400);
    expect((await release('odd', { rerun: true, hold_since: 'now' })).status).toBe(400);
  });
});

describe('POST /v3/sessions/{name}/hold', () => {
  test('has the job hold a playbook that fails from then on', async () => {
    const jobId = await launch('late', false);
    const asked = () => askAsJob(jobId, 'GET');
    expect(await asked()).toMatchObject({ body: { released: false, wanted: false } });

    const answer = await service.ask('POST', '/v3/sessions/late/hold');
    expect(answer).toMatchObject({ status: 202, body: { name: 'late', debug_on_failure: true } });
    expect(await asked()).toMatchObject({ body: { released: false, wanted: true } });
    expect((await service.ask('POST', '/v3/sessions/late/hold', {})).status).toBe(202);

    await askAsJob(jobId, 'PUT', '', hold);
    expect((await service.ask('GET', '/v3/sessions/late')).body).toMatchObject(
      status({ held_until: hold.until }),
    );
    expect((await service.ask('POST', '/v3/sessions/late/release')).status).toBe(202);
    expect(await asked()).toMatchObject({ body: { released: true } });
  });

  test('is 409 for one that is complete, 404 for no such session, 400 for a member', async () => {
    const jobId = await launch('ended', false);
    const strict = await service.ask('POST', '/v3/sessions/ended/hold', { on_failure: true });
    expect(strict).toMatchObject({
      status: 400,
      body: { detail: expect.stringMatching('on_fail') },
    });
    await service.store.sessions.recordOutcome(jobId, { succeeded: 'false' }, hold.since);
    expect(await service.ask('POST', '/v3/sessions/ended/hold')).toMatchObject({
      status: 409,
      body: { title: 'Session cannot be held', detail: 'Session ended is complete.' },
    });
    expect((await service.ask('POST', '/v3/sessions/nobody/hold')).status).toBe(404);
  });
});
