import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createDescriber } from '../../src/api/session-description.js';
import { openService, type TestService } from './service.js';

let service: TestService;
beforeEach(async () => {
  service = await openService();
});
afterEach(() => service.close());

describe('max_running_sessions', () => {
  test('shows waiting sessions their place in the queue, and admits them when it is raised', async () => {
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
    await service.ask('PATCH', '/v3/options', { max_running_sessions: 2 });
    const { body: later } = await service.ask('GET', '/v3/sessions');
    expect(later).toMatchObject({
      sessions: [null, null, 1].map((queue_place) => ({ status: { session: { queue_place } } })),
    });
  });
});

test('the queue is read once for all pieces of a list after the first', async () => {
  const { store, deps } = service;
  await store.options.patch({ maxRunningSessions: 1 });
  for (const name of ['a', 'b', 'c', 'd']) {
    await service.ask('POST', '/v3/sessions', { name, configuration_name: 'debug_noop' });
    const jobId = (await store.sessions.find(name))?.jobId ?? '';
    await store.sessions.claim(jobId, { at: new Date().toISOString() });
  }
  let reads = 0;
  const allPlaces = () => ((reads += 1), store.admission.allPlaces());
  const counting = { ...store, admission: { ...store.admission, allPlaces } };
  const options = await store.options.get();
  const describePiece = createDescriber({ ...deps, store: counting }, 'http://a/', options);
  const { items } = await store.sessions.list({}, { limit: 10 });
  const places = [];
  for (const item of items) {
    for await (const part of describePiece([item]))
      places.push(...part.map(({ status }) => status.session.queue_place));
  }

  expect([places, reads]).toEqual([[null, 1, 2, 3], 1]);
});

describe('host_locks', () => {
  test('has a waiting session name the other session and the host, and lets it go when the option is turned off', async () => {
    expect((await service.ask('GET', '/v3/options')).body).toMatchObject({ host_locks: false });
    await service.ask('PATCH', '/v3/options', { host_locks: true });
    for (const name of ['a', 'b']) {
      await service.ask('POST', '/v3/sessions', { name, configuration_name: 'debug_noop' });
      const { jobId = '' } = (await service.store.sessions.find(name)) ?? {};
      const at = '2026-01-01T00:00:00.000Z';
      await service.store.sessions.claim(jobId, { at });
      await service.store.admission.requestHosts(jobId, { hosts: ['x1'], at, since: at });
    }
    const { body } = await service.ask('GET', '/v3/sessions/b');
    expect(body).toMatchObject({
      status: {
        session: {
          status: 'pending',
          message: expect.stringContaining('session a comes first on x1 ('),
          waiting_since: '2026-01-01T00:00:00',
          queue_place: null,
        },
      },
    });
    await service.ask('PATCH', '/v3/options', { host_locks: false });
    expect((await service.store.sessions.find('b'))?.admittedAt).toBeDefined();
  });
});
