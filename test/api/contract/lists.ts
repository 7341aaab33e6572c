import { beforeAll, describe, expect, test } from '@jest/globals';
import { completeSession } from '../service.js';
import type { ContractSite } from './site.js';

/** Needs a site of its own, because it counts all records. */
export function listContract(site: () => ContractSite): void {
  /** Five sessions; `old` began three days before the others. */
  beforeAll(async () => {
    const { setTime, store } = site();
    setTime('2026-01-01T00:00:00.000Z');
    await add('old', { owner: 'ops' });
    setTime('2026-01-04T00:00:00.000Z');
    await add('a', { owner: 'ops', rack: '1' });
    await add('b', { owner: 'dev' });
    await add('c', {});
    await add('d', {});
    await completeSession(store, 'c');
    await completeSession(store, 'old');
  });

  const add = (name: string, tags: object) =>
    site().ask('POST', '/v3/sessions', { name, configuration_name: 'debug_noop', tags });
  const list = async (query: string) => {
    const { body } = await site().ask('GET', `/v3/sessions?${query}`);
    const { sessions, next } = body as { sessions: { name: string }[]; next: unknown };
    return { names: sessions.map(({ name }) => name), next };
  };

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
      const { ask } = site();
      await ask('PATCH', '/v3/options', { default_page_size: 1 });
      const { body } = await ask('GET', '/v3/sessions');
      await ask('PATCH', '/v3/options', { default_page_size: 1_000 });
      expect(body).toMatchObject({ sessions: [{ name: 'a' }], next: { limit: 1, after_id: 'a' } });
    });
  });

  describe('DELETE /v3/sessions', () => {
    test('deletes only what is complete, unless another status is given', async () => {
      const without = await site().ask('DELETE', '/v3/sessions');
      expect(without).toMatchObject({ status: 200, body: { session_ids: ['c', 'old'] } });
      const pending = await site().ask('DELETE', '/v3/sessions?status=pending&name_contains=b');
      expect(pending.body).toEqual({ session_ids: ['b'] });
      const all = await site().ask('DELETE', '/v3/sessions?status=');
      expect(all.body).toEqual({ session_ids: ['a', 'd'] });
      expect(await list('')).toEqual({ names: [], next: null });
    });
  });

  describe('GET /v3/configurations', () => {
    test('pages by name, and the last page says that it is the last', async () => {
      const { ask } = site();
      for (const name of ['c', 'a', 'b']) {
        await ask('PUT', `/v3/configurations/${name}`, { layers: [] });
      }
      const names = (body: unknown) =>
        (body as { configurations: { name: string }[] }).configurations.map(({ name }) => name);
      const first = await ask('GET', '/v3/configurations?limit=2');
      expect(names(first.body)).toEqual(['a', 'b']);
      expect(first.body).toMatchObject({ next: { in_use: null, limit: 2, after_id: 'b' } });
      const second = await ask('GET', '/v3/configurations?limit=2&after_id=b&in_use=False');
      expect(names(second.body)).toEqual(['c']);
      expect(second.body).toMatchObject({ next: null });
      const used = await ask('GET', '/v3/configurations?in_use=true');
      expect(used.body).toEqual({ configurations: [], next: null });
      const all = await ask('GET', `/v3/configurations?limit=${2n ** 63n - 1n}`);
      expect(names(all.body)).toEqual(['a', 'b', 'c']);
    });
  });
}
