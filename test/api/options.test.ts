import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ServiceError } from '../../src/core/errors.js';
import { openService, type TestService } from './service.js';

let service: TestService;
beforeAll(async () => {
  service = await openService();
});
afterAll(() => service.close());

describe('/v3/options', () => {
  test('shows every option with its default', async () => {
    const { status, body } = await service.ask('GET', '/v3/options');
    expect(status).toBe(200);
    expect(body).toEqual({
      default_playbook: 'site.yml',
      default_ansible_config: 'cfs-default-ansible-cfg',
      logging_level: 'INFO',
      default_page_size: 1000,
      include_ara_links: true,
      session_ttl: '7d',
      additional_inventory_url: '',
      additional_inventory_source: '',
      debug_wait_time: 3600,
      batcher_check_interval: 10,
      batch_size: 25,
      batch_window: 60,
      default_batcher_retry_policy: 3,
      batcher_max_backoff: 3600,
      batcher_disable: false,
      batcher_pending_timeout: 300,
      hardware_sync_interval: 10,
      clone_time_limit: 600,
      inventory_sources_time_limit: 600,
      image_prepare_time_limit: 3600,
      image_package_time_limit: 7200,
      pod_pending_time_limit: 600,
      phase_time_limit: 0,
      host_silent_after: 600,
      host_silent_limit: 0,
      cancel_grace_seconds: 30,
      report_wait: 60,
      machine_lost_after: 3600,
      max_running_sessions: 0,
      host_locks: false,
      sweep_limit: 100,
      log_store_max_bytes: 0,
      batcher: 'off',
      hwsync: 'off',
    });
  });

  test('merges what is sent and answers all of it', async () => {
    await service.ask('PATCH', '/v3/options', {
      session_ttl: '',
      batcher_disable: true,
      additional_inventory_url: '',
    });
    const { status, body } = await service.ask('PATCH', '/v3/options', { debug_wait_time: 0 });
    expect(status).toBe(200);
    expect(body).toMatchObject({ session_ttl: '', batcher_disable: true, debug_wait_time: 0 });
  });

  test('returns the stored options even if waiting sessions cannot be admitted at once', async () => {
    const fault = new ServiceError('unavailable', 'The database does not answer: refused');
    const admission = { ...service.store.admission, admit: () => Promise.reject(fault) };
    const failing = await openService({ store: { ...service.store, admission } });
    const { status, body } = await failing.ask('PATCH', '/v3/options', { host_locks: true });
    expect(status).toBe(200);
    expect(body).toMatchObject({ host_locks: true });
    expect(failing.lines).toContainEqual({
      level: 'warn',
      message: 'options are stored; sessions that they let run start at the next sweep',
      fields: { err: fault },
    });
    expect((await service.ask('GET', '/v3/options')).body).toEqual(body);
    await service.ask('PATCH', '/v3/options', { host_locks: false });
  });

  test('takes time limits, 0 for none', async () => {
    const limits = {
      clone_time_limit: 5,
      phase_time_limit: 0,
      host_silent_limit: 900,
      cancel_grace_seconds: 1,
    };
    const { status, body } = await service.ask('PATCH', '/v3/options', limits);
    expect(status).toBe(200);
    expect(body).toMatchObject(limits);
    expect((await service.ask('GET', '/v3/options')).body).toEqual(body);
  });

  test.each([
    ['clone_time_limit', -1],
    ['inventory_sources_time_limit', 0.5],
    ['image_prepare_time_limit', '60'],
    ['image_package_time_limit', null],
    ['pod_pending_time_limit', true],
    ['phase_time_limit', 1_209_601],
    ['host_silent_limit', 2.5],
    ['cancel_grace_seconds', 0],
    ['report_wait', 1e300],
    ['log_store_max_bytes', -1],
    ['batcher', 'on'],
    ['hwsync', true],
  ])('refuses %s of %s and changes nothing', async (name, value) => {
    const before = await service.ask('GET', '/v3/options');
    const refused = await service.ask('PATCH', '/v3/options', { batch_size: 7, [name]: value });
    expect(refused.status).toBe(400);
    expect((refused.body as { detail: string }).detail).toContain(`'${name}'`);
    expect((await service.ask('GET', '/v3/options')).body).toEqual(before.body);
  });

  test('takes an empty object as no change', async () => {
    const before = await service.ask('GET', '/v3/options');
    const after = await service.ask('PATCH', '/v3/options', {});
    expect(after).toMatchObject({ status: 200, body: before.body });
  });

  test.each([
    'application/json; charset=utf-8',
    'application/merge-patch+json',
    'APPLICATION/JSON',
  ])('takes %s as JSON', async (type) => {
    const headers = new Headers({ 'content-type': type });
    expect((await service.ask('PATCH', '/v3/options', '{}', headers)).status).toBe(200);
  });
});
