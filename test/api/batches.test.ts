import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openService, type TestService } from './service.js';

let service: TestService;
beforeAll(async () => {
  service = await openService();
});
afterAll(() => service.close());

const NOW = '2026-01-02T03:04:05.000Z';
/** By a clock that is a little ahead. */
const ENDED_MS = Date.now() + 50_000;
const ENDED = new Date(ENDED_MS).toISOString();

async function fill(): Promise<void> {
  const { store } = service;
  const layer = { cloneUrl: 'https://git/a.git', playbook: 'site.yml', commit: 'a'.repeat(40) };
  for (const name of ['compute', 'login'])
    await store.configurations.save({ name, lastUpdated: NOW, layers: [layer] });
  const components = ['compute', 'login'].flatMap((desiredConfig) =>
    ['b', 'a'].map((id) => ({ id: `${desiredConfig}-${id}`, enabled: true, desiredConfig })),
  );
  await store.components.put(components, NOW, () => undefined);
  await store.batches.collect({ at: NOW, batchSize: 25, page: { limit: 100 } });
  const { items } = await store.batches.list({ limit: 10 });
  const login = items.find(({ configurationName }) => configurationName === 'login')?.id ?? '';
  await store.batches.send([login], { at: NOW, batchSize: 25 });
  const result = { kind: 'failure', cause: 'platform' } as const;
  const limits = { now: ENDED, maxSeconds: 3600 };
  await store.batches.finish([{ id: login, result, reason: 'INVENTORY' }], limits);
  const cycle = { cycleAt: NOW, seconds: 0.5, collected: 4, sent: 1, finished: 1 };
  const leftOut = ['all', 'x*'];
  await store.batches.noteCycle({
    ...cycle,
    leftOut,
    halted: 'The option batcher_disable is set.',
  });
}

describe('/v3/batches', () => {
  test('is empty before the first cycle', async () => {
    const { status, body } = await service.ask('GET', '/v3/batches');
    expect(status).toBe(200);
    expect(body).toEqual({
      batcher: { mode: 'off', halted: null, last_cycle: null, left_out: [], backoff: [] },
      batches: [],
      next: null,
    });
  });

  test('shows batches with their components, backoffs, and the last cycle', async () => {
    await fill();
    await service.store.options.patch({ batcher: 'internal' });
    const { body } = await service.ask('GET', '/v3/batches?state=open');
    expect(body).toEqual({
      batcher: {
        mode: 'internal',
        halted: 'The option batcher_disable is set.',
        last_cycle: { at: NOW, seconds: 0.5, collected: 4, sent: 1, finished: 1 },
        left_out: ['all', 'x*'],
        backoff: [
          { cause: 'platform', until: new Date(ENDED_MS + 60_000).toISOString(), seconds: 60 },
        ],
      },
      batches: [
        {
          ...{ id: expect.stringMatching(/^[0-9a-f-]{36}$/), state: 'open', size: 2 },
          ...{ configuration_name: 'compute', configuration_limit: '0', latest_status: '' },
          component_ids: ['compute-a', 'compute-b'],
          ...{ session_name: null, opened_at: NOW, sent_at: null },
          ...{ finished_at: null, result: null, reason: null },
        },
      ],
      next: null,
    });
    expect((await service.ask('GET', '/v3/batches?state=finished')).body).toMatchObject({
      batches: [
        {
          ...{ configuration_name: 'login', size: 2, component_ids: [] },
          ...{ session_name: expect.stringMatching(/^batcher-/), sent_at: NOW },
          ...{ result: 'failure', reason: 'INVENTORY' },
        },
      ],
    });
  });

  test('has pages', async () => {
    const first = (await service.ask('GET', '/v3/batches?limit=1')).body as {
      batches: [{ id: string }];
      next: { after_id: string; limit: number; state: null };
    };
    expect(first.next).toEqual({ after_id: first.batches[0].id, limit: 1, state: null });
    const path = `/v3/batches?limit=1&after_id=${first.next.after_id}`;
    expect((await service.ask('GET', path)).body).toMatchObject({
      batches: [{ id: expect.not.stringMatching(first.next.after_id) }],
      next: null,
    });
  });

  test.each(['state=sending', 'state=', 'limit=0', 'limit=x'])('refuses ?%s', async (query) => {
    expect((await service.ask('GET', `/v3/batches?${query}`)).status).toBe(400);
  });
});
