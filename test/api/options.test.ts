import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
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
      include_ara_links: false,
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
