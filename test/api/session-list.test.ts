import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { completeSession, openService, type TestService } from './service.js';

let service: TestService;
/** Five sessions; `old` began three days before the others. */
beforeAll(async () => {
  service = await openService();
  service.setTime('2026-01-01T00:00:00.000Z');
  await add('old', { owner: 'ops' });
  service.setTime('2026-01-04T00:00:00.000Z');
  await add('a', { owner: 'ops', rack: '1' });
  await add('b', { owner: 'dev' });
  await add('c', {});
  await add('d', {});
  await completeSession(service.store, 'c');
  await completeSession(service.store, 'old');
});
afterAll(() => service.close());

async function add(name: string, tags: object): Promise<void> {
  const body = { name, configuration_name: 'debug_noop', tags };
  await service.ask('POST', '/v3/sessions', body);
}

async function list(query: string): Promise<{ names: readonly string[]; next: unknown }> {
  const { body } = await service.ask('GET', `/v3/sessions?${query}`);
  const { sessions, next } = body as { sessions: { name: string }[]; next: unknown };
  return { names: sessions.map(({ name }) => name), next };
}

describe('GET /v3/sessions', () => {
  test.each([
    ['', ['a', 'b', 'c', 'd', 'old']],
    ['status=complete', ['c', 'old']],
    ['status=', ['a', 'b', 'c', 'd', 'old']],
    ['status=complete&status=pending', ['a', 'b', 'd']],
    ['succeeded=true', ['c', 'old']],
    ['succeeded=none&name_contains=b', ['b']],
    ['min_age=1d', ['old']],
    ['max_age=2D', ['a', 'b', 'c', 'd']],
    ['min_age=&max_age=', ['a', 'b', 'c', 'd', 'old']],
    ['age=1w', ['a', 'b', 'c', 'd', 'old']],
    ['tags=owner=ops', ['a', 'old']],
    ['tags=owner=ops,rack=1', ['a']],
    ['tags=', ['a', 'b', 'c', 'd', 'old']],
    ['after_id=bb', ['c', 'd', 'old']],
  ])('%s gives %j', async (query, names) => {
    expect(await list(query)).toEqual({ names, next: null });
  });

  test('pages by the members of next, which echo every parameter', async () => {
    const first = await list('limit=2&status=pending');
    expect(first).toEqual({
      names: ['a', 'b'],
      next: {
        age: null,
        min_age: null,
        max_age: null,
        status: 'pending',
        succeeded: null,
        name_contains: null,
        tags: null,
        limit: 2,
        after_id: 'b',
      },
    });
    const given = Object.entries(first.next as object).filter(([, value]) => value !== null);
    const query = new URLSearchParams(
      given.map(([key, value]): [string, string] => [key, String(value)]),
    );
    expect(await list(query.toString())).toEqual({ names: ['d'], next: null });
  });

  test('takes the page size from the option', async () => {
    const other = await openService();
    await other.ask('PATCH', '/v3/options', { default_page_size: 1 });
    for (const name of ['a', 'b']) {
      await other.ask('POST', '/v3/sessions', { name, configuration_name: 'debug_noop' });
    }
    const { body } = await other.ask('GET', '/v3/sessions');
    expect(body).toMatchObject({ sessions: [{ name: 'a' }], next: { limit: 1, after_id: 'a' } });
    await other.close();
  });
});

describe('DELETE /v3/sessions', () => {
  test('deletes only what is complete, unless another status is given', async () => {
    const without = await service.ask('DELETE', '/v3/sessions');
    expect(without).toMatchObject({ status: 200, body: { session_ids: ['c', 'old'] } });
    const pending = await service.ask('DELETE', '/v3/sessions?status=pending&name_contains=b');
    expect(pending.body).toEqual({ session_ids: ['b'] });
    const all = await service.ask('DELETE', '/v3/sessions?status=');
    expect(all.body).toEqual({ session_ids: ['a', 'd'] });
    expect(await list('')).toEqual({ names: [], next: null });
  });
});
