import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openService, type TestService } from './service.js';

let service: TestService;
beforeEach(async () => {
  service = await openService();
});
afterEach(() => service.close());

describe('max_running_sessions', () => {
  test('shows those that wait their place in the queue, one by one and in lists', async () => {
    await service.ask('PATCH', '/v3/options', { max_running_sessions: 1 });
    for (const name of ['a', 'b', 'c']) {
      await service.ask('POST', '/v3/sessions', { name, configuration_name: 'debug_noop' });
      const jobId = (await service.store.sessions.find(name))?.jobId ?? '';
      await service.store.sessions.claim(jobId, { at: new Date().toISOString() });
    }
    const one = await service.ask('GET', '/v3/sessions/c');
    expect(one.body).toMatchObject({ status: { session: { status: 'pending', queue_place: 2 } } });
    const { body } = await service.ask('GET', '/v3/sessions');
    expect(body).toMatchObject({
      sessions: [null, 1, 2].map((queue_place) => ({ status: { session: { queue_place } } })),
    });
  });
});
