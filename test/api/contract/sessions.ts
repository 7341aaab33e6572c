import { beforeAll, describe, expect, test } from '@jest/globals';
import { completeSession } from '../service.js';
import type { ContractSite } from './site.js';

export function sessionContract(site: () => ContractSite): void {
  const post = (body: object) => site().ask('POST', '/v3/sessions', body);
  beforeAll(async () => {
    await site().ask('PUT', '/v3/configurations/compute', { layers: [] });
  });

  describe('POST /v3/sessions', () => {
    test('answers 201 with the whole record and its defaults', async () => {
      site().setTime('2026-03-04T05:06:07.891Z');
      const { status, body } = await post({ name: 'plain', configuration_name: 'compute' });
      site().setTime(undefined);
      expect(status).toBe(201);
      expect(body).toEqual({
        name: 'plain',
        configuration: { name: 'compute', limit: '' },
        ansible: { config: 'cfs-default-ansible-cfg', limit: '', verbosity: 0, passthrough: '' },
        target: { definition: 'dynamic', groups: null, image_map: null },
        status: {
          artifacts: [],
          session: {
            job: null,
            ims_job: null,
            start_time: '2026-03-04T05:06:07',
            completion_time: null,
            status: 'pending',
            succeeded: 'none',
            reason: null,
            message: null,
            phase: null,
            host: null,
            task: null,
            held_until: null,
            hold_command: null,
            waiting_since: null,
            queue_place: null,
            check_mode: false,
            apply_of: null,
            retry_of: null,
          },
        },
        tags: {},
        debug_on_failure: false,
        logs: `${site().url}/v3/sessions/plain/logs`,
      });
      expect(await site().store.sessions.countWishes()).toBeGreaterThan(0);
    });

    test('keeps everything that was asked for', async () => {
      const asked = {
        name: 'full.name-1',
        configuration_name: 'compute',
        configuration_limit: '0,site',
        ansible_limit: 'x1,x2',
        ansible_config: 'site-cfg',
        ansible_verbosity: 4,
        ansible_passthrough: `--extra-vars "a=1 b=2" -t x`,
        target: {
          definition: 'spec',
          groups: [{ name: 'Compute', members: ['x1', 'x2'] }],
          image_map: [],
          whatever: { is: 'dropped' },
        },
        tags: { bos_session: 'b-1' },
        debug_on_failure: true,
      };
      const { status, body } = await post(asked);
      expect(status).toBe(201);
      expect(body).toMatchObject({
        configuration: { limit: '0,site' },
        ansible: {
          config: 'site-cfg',
          limit: 'x1,x2',
          verbosity: 4,
          passthrough: asked.ansible_passthrough,
        },
        tags: asked.tags,
        debug_on_failure: true,
      });
      expect((body as { target: object }).target).toEqual({
        definition: 'spec',
        groups: [{ name: 'Compute', members: ['x1', 'x2'] }],
        image_map: [],
      });
    });

    test('takes the default configuration of Ansible for an empty one', async () => {
      await site().ask('PATCH', '/v3/options', { default_ansible_config: 'site-default' });
      const { body } = await post({
        name: 'default-cfg',
        configuration_name: 'compute',
        ansible_config: '',
      });
      expect(body).toMatchObject({ ansible: { config: 'site-default' } });
    });

    test('lets exactly one of many concurrent requests have a name', async () => {
      const asked = { name: 'raced', configuration_name: 'compute' };
      const answers = await Promise.all(Array.from({ length: 8 }, () => post(asked)));
      expect(answers.map(({ status }) => status).sort()).toEqual([
        201,
        ...Array.from({ length: 7 }, () => 409),
      ]);
      const refused = answers.find(({ status }) => status === 409);
      expect(refused?.body).toMatchObject({
        title: 'Conflicting session name',
        detail: 'A session with the name raced already exists',
      });
    });

    test('reports a taken name before a missing configuration', async () => {
      const answer = await post({ name: 'raced', configuration_name: 'nowhere' });
      expect(answer.status).toBe(409);
    });

    test.each(['debug_noop', 'debug_facts', 'debug_fail'])('knows %s', async (configuration) => {
      const name = configuration.replace('_', '-');
      const answer = await post({ name, configuration_name: configuration });
      expect(answer.status).toBe(201);
    });

    test('takes a name of 45 characters below the external prefix too', async () => {
      const answer = await site().ask('POST', '/apis/cfs/v3/sessions', {
        name: 'a'.repeat(45),
        configuration_name: 'compute',
      });
      expect(answer.status).toBe(201);
    });
  });

  describe('GET /v3/sessions/{name}', () => {
    test('shows the job once the session is claimed', async () => {
      await post({ name: 'claimed', configuration_name: 'compute' });
      const session = await site().store.sessions.find('claimed');
      await site().store.sessions.claim(session?.jobId ?? '', { at: new Date().toISOString() });
      const { body } = await site().ask('GET', '/v3/sessions/claimed');
      expect(body).toMatchObject({ status: { session: { job: session?.jobId } } });
    });

    test('shows why a session did not succeed', async () => {
      await post({ name: 'failed', configuration_name: 'compute' });
      const session = await site().store.sessions.find('failed');
      await site().store.sessions.recordOutcome(
        session?.jobId ?? '',
        {
          succeeded: 'false',
          reason: 'TASK_FAILED',
          message: 'site.yml: task "t" failed on x1: no',
          phase: 'ansible-0',
          host: 'x1',
          task: 't',
        },
        '2096-03-04T05:06:07.891Z',
      );
      const { body } = await site().ask('GET', '/v3/sessions/failed');
      expect(body).toMatchObject({
        status: {
          session: {
            status: 'complete',
            succeeded: 'false',
            completion_time: '2096-03-04T05:06:07',
            reason: 'TASK_FAILED',
            message: 'site.yml: task "t" failed on x1: no',
            phase: 'ansible-0',
            host: 'x1',
            task: 't',
          },
        },
      });
    });

    test.each([
      ['GET', '/v3/sessions/nobody'],
      ['DELETE', '/v3/sessions/nobody'],
      ['POST', '/v3/sessions/nobody/cancel'],
      ['GET', '/v3/sessions/nobody/phases'],
      ['GET', '/v3/sessions/nobody/hosts'],
      ['GET', '/v3/sessions/nobody/logs'],
    ])('%s %s is 404', async (method, path) => {
      expect(await site().ask(method, path)).toMatchObject({
        status: 404,
        body: { title: 'Session not found.', detail: 'Session nobody could not be found' },
      });
    });
  });

  describe('POST /v3/sessions/{name}/cancel', () => {
    test('ends an unclaimed session at once, with caller and reason', async () => {
      await post({ name: 'unclaimed', configuration_name: 'compute' });
      const path = '/v3/sessions/unclaimed/cancel';
      const { status, body } = await site().ask('POST', path, { reason: 'wrong rack' });
      expect(status).toBe(202);
      expect(body).toMatchObject({
        status: {
          session: {
            status: 'complete',
            succeeded: 'false',
            reason: 'CANCELLED',
            message: 'Cancelled by api before it started: wrong rack',
          },
        },
      });
    });

    test('is 202 again for a repeat, without a body or with an empty one', async () => {
      await post({ name: 'twice', configuration_name: 'compute' });
      const session = await site().store.sessions.find('twice');
      await site().store.sessions.claim(session?.jobId ?? '', { at: new Date().toISOString() });
      const headers = { 'content-type': 'application/json' };
      const path = '/v3/sessions/twice/cancel';
      expect((await site().ask('POST', path)).status).toBe(202);
      expect((await site().ask('POST', path, '', headers)).status).toBe(202);
      expect(await site().store.sessions.find('twice')).toMatchObject({
        desired: 'cancel',
        state: 'pending',
      });
    });

    test('is 409 when the session is complete', async () => {
      await post({ name: 'too-late', configuration_name: 'compute' });
      await completeSession(site().store, 'too-late');
      expect(await site().ask('POST', '/v3/sessions/too-late/cancel', {})).toMatchObject({
        status: 409,
        body: { title: 'Conflict', detail: expect.stringContaining('too-late') },
      });
    });
  });

  describe('DELETE /v3/sessions/{name}', () => {
    test('frees the name, and exactly one of many concurrent requests deletes', async () => {
      await post({ name: 'gone', configuration_name: 'compute' });
      const answers = await Promise.all(
        Array.from({ length: 6 }, () => site().ask('DELETE', '/v3/sessions/gone')),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([
        204,
        ...Array.from({ length: 5 }, () => 404),
      ]);
      expect((await site().ask('GET', '/v3/sessions/gone')).status).toBe(404);
      const again = await post({ name: 'gone', configuration_name: 'compute' });
      expect(again.status).toBe(201);
    });
  });
}
