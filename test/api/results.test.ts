import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { HostResults } from '../../src/store/store.js';
import { openService, type TestService } from './service.js';

let service: TestService;
beforeAll(async () => {
  service = await openService();
});
afterAll(() => service.close());

/** A session with two phases; its job id. */
async function plan(name: string): Promise<string> {
  await service.ask('POST', '/v3/sessions', { name, configuration_name: 'debug_noop' });
  const { jobId } = (await service.store.sessions.find(name)) ?? { jobId: '' };
  await service.store.phases.savePlan(jobId, [
    { name: 'inventory', kind: 'inventory', title: 'inventory: dynamic' },
    { name: 'ansible-0', kind: 'ansible', title: 'ansible-0: site.yml' },
  ]);
  return jobId;
}

describe('GET /v3/sessions/{name}/phases', () => {
  test('is empty before there is a plan', async () => {
    await service.ask('POST', '/v3/sessions', { name: 'new', configuration_name: 'debug_noop' });
    const answer = await service.ask('GET', '/v3/sessions/new/phases');
    expect(answer).toMatchObject({ status: 200, body: { phases: [] } });
  });

  test('lists the phases in their order, with what is known of each', async () => {
    const jobId = await plan('phases');
    const startedAt = '2026-01-01T00:00:01.000Z';
    const endedAt = '2026-01-01T00:00:02.000Z';
    await service.store.logs.append(jobId, 'inventory', 0, Buffer.from('hello\n'));
    const result = { kind: 'exited', exitCode: 3, startedAt, endedAt } as const;
    await service.store.phases.seal(jobId, 'inventory', result, endedAt);
    const { body } = await service.ask('GET', '/v3/sessions/phases/phases');
    expect(body).toEqual({
      phases: [
        {
          name: 'inventory',
          kind: 'inventory',
          title: 'inventory: dynamic',
          state: 'ended',
          result: 'exited',
          exit_code: 3,
          reason: null,
          start_time: startedAt,
          completion_time: endedAt,
          log_bytes: 6,
          log_complete: true,
          hold: null,
          reruns: 0,
          files_changed: false,
          silence: null,
        },
        {
          name: 'ansible-0',
          kind: 'ansible',
          title: 'ansible-0: site.yml',
          state: 'pending',
          result: null,
          exit_code: null,
          reason: null,
          start_time: null,
          completion_time: null,
          log_bytes: 0,
          log_complete: false,
          hold: null,
          reruns: 0,
          files_changed: false,
          silence: null,
        },
      ],
    });
  });

  test('says why a phase never ran', async () => {
    const jobId = await plan('stopped');
    const at = new Date().toISOString();
    await service.store.phases.seal(jobId, 'inventory', { kind: 'killed', reason: 'stopped' }, at);
    await service.store.sessions.recordOutcome(jobId, { succeeded: 'false' }, at);
    const { body } = await service.ask('GET', '/v3/sessions/stopped/phases');
    expect(body).toMatchObject({
      phases: [
        { result: 'killed', reason: 'stopped', exit_code: null },
        { result: 'unstarted', reason: 'skipped' },
      ],
    });
  });
});

describe('GET /v3/sessions/{name}/hosts', () => {
  const row = { ok: 1, changed: 1, failed: 0, skipped: 0, unreachable: 0, incomplete: false };

  test('pages over phases and hosts', async () => {
    const jobId = await plan('hosts');
    const results = (...hosts: string[]): HostResults => ({
      sequence: 1,
      final: true,
      hosts: hosts.map((host) => ({ host, ...row })),
    });
    await service.store.hosts.save(jobId, 'inventory', results('z'));
    await service.store.hosts.save(jobId, 'ansible-0', results('a', 'b'));
    const first = await service.ask('GET', '/v3/sessions/hosts/hosts?limit=2');
    expect(first.body).toEqual({
      hosts: [
        { phase: 'inventory', host: 'z', ...row, task: null, message: null },
        { phase: 'ansible-0', host: 'a', ...row, task: null, message: null },
      ],
      next: { phase: null, limit: 2, after_id: 'ansible-0/a' },
    });
    const second = await service.ask(
      'GET',
      '/v3/sessions/hosts/hosts?limit=2&after_id=ansible-0/a',
    );
    expect(second.body).toMatchObject({ hosts: [{ host: 'b' }], next: null });
    const one = await service.ask('GET', '/v3/sessions/hosts/hosts?phase=ansible-0&limit=1');
    expect(one.body).toMatchObject({
      hosts: [{ host: 'a' }],
      next: { phase: 'ansible-0', limit: 1, after_id: 'ansible-0/a' },
    });
  });

  test('shows the task that failed and its message', async () => {
    const jobId = await plan('failing');
    const failed = { ...row, host: 'x1', failed: 1, task: 'copy', message: 'no space' };
    await service.store.hosts.save(jobId, 'ansible-0', {
      sequence: 1,
      final: false,
      hosts: [failed],
    });
    const { body } = await service.ask('GET', '/v3/sessions/failing/hosts');
    expect(body).toMatchObject({ hosts: [{ host: 'x1', task: 'copy', message: 'no space' }] });
  });

  test('answers 404 for an unknown phase, and names the phases that exist', async () => {
    await plan('wrong-phase');
    expect(await service.ask('GET', '/v3/sessions/wrong-phase/hosts?phase=x')).toMatchObject({
      status: 404,
      body: {
        title: 'Phase not found.',
        detail: expect.stringContaining('inventory, ansible-0'),
      },
    });
  });
});
