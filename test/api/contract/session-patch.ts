import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { createApp } from '../../../src/api/app.js';
import type { ContractSite } from './site.js';

const artifact = { image_id: 'a', result_id: 'b', type: 'ims_customized_image' };

export function sessionPatchContract(site: () => ContractSite): void {
  const create = async () => {
    const name = `patch-${randomUUID().slice(0, 8)}`;
    const body = { name, configuration_name: 'debug_noop' };
    expect((await site().ask('POST', '/v3/sessions', body)).status).toBe(201);
    return name;
  };
  /** As under RUNNER=none. */
  const createOutside = async () => {
    const name = `outside-${randomUUID().slice(0, 8)}`;
    const app = createApp({ ...site().deps, isExternal: true });
    const answer = await app.request('/v3/sessions', {
      method: 'POST',
      body: JSON.stringify({ name, configuration_name: 'debug_noop' }),
      headers: { 'content-type': 'application/json' },
    });
    expect(answer.status).toBe(201);
    return name;
  };
  const patch = (name: string, status: object, version = 'v3') =>
    site().ask('PATCH', `/${version}/sessions/${name}`, { status });
  const show = async (name: string, version = 'v3') =>
    (await site().ask('GET', `/${version}/sessions/${name}`)).body as {
      status: { artifacts: object[]; session: Record<string, unknown> };
    };

  describe.each(['v2', 'v3'])('PATCH /%s/sessions/{name}', (version) => {
    test('of a session that runs here accepts only members that the service does not set', async () => {
      const name = await create();
      const before = await show(name, version);
      const time = version === 'v3' ? 'completion_time' : 'completionTime';
      const session = { status: 'complete', succeeded: 'true', [time]: '2026-01-01T00:00:00' };
      expect(await patch(name, { session }, version)).toMatchObject({ status: 200 });
      expect(await show(name, version)).toEqual(before);
      const added = await patch(name, { artifacts: [artifact, artifact, {}] }, version);
      expect(added).toMatchObject({ status: 200, body: { status: { artifacts: [artifact] } } });
      expect((await show(name)).status.artifacts).toEqual([artifact]);
    });

    test('of a session that runs here never accepts a job', async () => {
      const name = await create();
      expect(await patch(name, { session: { job: 'other' } }, version)).toMatchObject({
        status: 409,
        body: { title: 'Session patch conflict.', detail: expect.stringContaining(name) },
      });
      expect(await patch(name, { session: { job: '' } }, version)).toMatchObject({ status: 200 });
    });

    test.each([
      [undefined],
      [''],
      ['{'],
      ['{"status": {}, "status": {}}'],
      [[]],
      [{ status: null }],
      [{ status: [] }],
      [{ status: { artifacts: {} } }],
      [{ status: { artifacts: [7] } }],
      [{ status: { session: null } }],
      [{ status: { session: { ims_job: { a: 1 } }, artifacts: [null] } }],
      [{ name: 'other' }],
    ])('%j is 400', async (body) => {
      const name = await create();
      expect(await site().ask('PATCH', `/${version}/sessions/${name}`, body)).toMatchObject({
        status: 400,
        body: { title: 'Bad Request' },
      });
    });

    test('another content type is 400, no such session 404', async () => {
      const name = await create();
      const type = { 'content-type': 'text/plain' };
      const path = `/${version}/sessions/`;
      expect((await site().ask('PATCH', `${path}${name}`, '{}', type)).status).toBe(400);
      expect(await site().ask('PATCH', `${path}nobody`, {})).toMatchObject({
        status: 404,
        body: { title: 'Session not found.' },
      });
    });
  });

  describe('PATCH of a session of an external operator', () => {
    test('lets status and succeeded only advance', async () => {
      const name = await createOutside();
      const rows = [
        [{ status: 'running' }, 'running', 'none'],
        [{ status: 'pending', succeeded: 'unknown' }, 'running', 'unknown'],
        [{ status: 'other', succeeded: 7 }, 'running', 'unknown'],
        [{ status: 'complete', succeeded: 'false' }, 'complete', 'false'],
        [{ status: 'running', succeeded: 'unknown' }, 'complete', 'false'],
        [{ succeeded: 'true' }, 'complete', 'true'],
        [{ succeeded: 'false' }, 'complete', 'true'],
        [{ status: '', succeeded: null }, 'complete', 'true'],
      ] as const;
      for (const [session, status, succeeded] of rows) {
        const answer = await patch(name, { session });
        expect(answer).toMatchObject({
          status: 200,
          body: { status: { session: { status, succeeded } } },
        });
      }
      const { body } = await site().ask(
        'GET',
        `/v3/sessions?status=complete&succeeded=true&name_contains=${name}`,
      );
      expect(body).toMatchObject({ sessions: [{ name }] });
    });

    test('stores times, job and unknown members, and ignores empty values', async () => {
      const name = await createOutside();
      const session = {
        start_time: '2026-01-01T00:00:00',
        completion_time: '2026-01-01T02:00:00+01:00',
        job: 'cfs-1',
        ims_job: 'i',
        note: { any: [1] },
      };
      await patch(name, { session });
      const shown = { ...session, completion_time: '2026-01-01T01:00:00' };
      expect((await show(name)).status.session).toMatchObject(shown);
      await patch(name, { session: { start_time: '', ims_job: null, note: 0 } });
      expect((await show(name)).status.session).toMatchObject(shown);
      await patch(name, { session: { note: [] } });
      await patch(name, { session: { note: {} } });
      expect((await show(name)).status.session).toMatchObject(shown);
      expect((await patch(name, { session: { ims_job: [] } })).status).toBe(400);
      expect((await show(name, 'v2')).status.session).toEqual({
        job: 'cfs-1',
        startTime: '2026-01-01T00:00:00',
        completionTime: '2026-01-01T01:00:00',
        status: 'pending',
        succeeded: 'none',
      });
    });

    test('sets a job once in v3, and again in v2', async () => {
      const name = await createOutside();
      expect((await patch(name, { session: { job: 'one' } })).status).toBe(200);
      const whole = { job: 'one', ims_job: 'x' };
      expect(await patch(name, { session: whole })).toMatchObject({
        status: 409,
        body: { title: 'Session patch conflict.', detail: expect.stringContaining('one') },
      });
      expect((await show(name)).status.session).toMatchObject({ job: 'one', ims_job: null });
      expect((await patch(name, { session: { job: 'two', ims_job: 'x' } }, 'v2')).status).toBe(200);
      expect((await show(name)).status.session).toMatchObject({ job: 'two', ims_job: null });
    });

    test('completes the session now if no time is given', async () => {
      const name = await createOutside();
      await patch(name, { session: { status: 'complete' } });
      expect((await show(name)).status.session['completion_time']).toMatch(/^\d{4}-\d\d-\d\dT/);
    });

    test('does not make a session old or complete by an early time', async () => {
      const name = await createOutside();
      const { store } = site().deps;
      await patch(name, { session: { completion_time: '2020-01-01T00:00:00' } });
      await store.retention.expireSessions('2021-01-01T00:00:00.000Z', new Date().toISOString());
      const early = { status: 'pending', completion_time: '2020-01-01T00:00:00' };
      expect((await show(name)).status.session).toMatchObject(early);
      expect((await store.sessions.find(name))?.completedAt).toBeUndefined();
      await patch(name, { session: { status: 'complete' } });
      expect((await show(name)).status.session['completion_time']).toBe(early.completion_time);
      expect((await store.sessions.find(name))?.completedAt).toBe('2020-01-01T00:00:00.000Z');
      await patch(name, { session: { completion_time: '2020-01-02T00:00:00' } });
      expect((await show(name)).status.session['completion_time']).toBe('2020-01-02T00:00:00');
    });

    test('adds each new artifact once, even from concurrent requests', async () => {
      const name = await createOutside();
      const results = Array.from({ length: 12 }, (_, index) => ({
        ...artifact,
        result_id: `r${index}`,
      }));
      await Promise.all(results.map((added) => patch(name, { artifacts: [added] })));
      await patch(name, { artifacts: [{ image_id: 'a' }, {}, { image_id: 'b' }] });
      const { artifacts } = (await show(name)).status;
      expect(artifacts).toHaveLength(13);
      expect(artifacts).toEqual(expect.arrayContaining([...results, { image_id: 'b' }]));
    });

    test.each([
      [{ start_time: 'yesterday' }, 'start_time'],
      [{ start_time: '2026-02-30T00:00:00' }, 'start_time'],
      [{ start_time: '2026-01-01T24:00:00' }, 'start_time'],
      [{ start_time: '2026-06-30T23:59:60' }, 'start_time'],
      [{ start_time: '9999-12-31T23:59:59-00:01' }, 'start_time'],
      [{ completion_time: '2026-01-01T00:00:00+24:00' }, 'completion_time'],
      [{ completion_time: 7 }, 'completion_time'],
      [{ reason: { a: 1 } }, 'reason'],
      [{ note: { fit: 'x', unfit: { 'a\0': 'x' } } }, 'note'],
    ])('refuses %j', async (session, member) => {
      const name = await createOutside();
      expect(await patch(name, { session })).toMatchObject({
        status: 400,
        body: { detail: expect.stringContaining(member) },
      });
    });

    test('refuses to grow without end', async () => {
      const name = await createOutside();
      const note = 'x'.repeat(50_000);
      const answers = [];
      for (let index = 0; index < 6; index += 1) {
        answers.push((await patch(name, { session: { [`note${index}`]: note } })).status);
      }
      expect(answers).toEqual([200, 200, 200, 200, 200, 413]);
    });
  });
}
