import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { SessionFilter, Store } from '../../../src/store/store.js';
import { aSnapshot } from '../../support/session-builders.js';
import { aNewSession, at } from '../../support/store-builders.js';
import type { Stores } from '../store-contract.js';

export function sessionListContract(stores: () => Stores): void {
  describe('sessions.list', () => {
    test('is in order of names, by code point', async () => {
      const { store } = stores();
      for (const name of ['b', 'a-1', 'a.1', 'a10', 'a', 'A', 'é', '\u{1f600}', '\uffee']) {
        await store.sessions.insert(aNewSession(name));
      }

      expect(await names(store, {})).toEqual([
        'A',
        'a',
        'a-1',
        'a.1',
        'a10',
        'b',
        'é',
        '\uffee',
        '\u{1f600}',
      ]);
    });

    test.each([
      ['state', { state: 'pending' }, ['new', 'old']],
      ['succeeded', { succeeded: 'false' }, ['failed']],
      ['the lack of a result', { succeeded: 'none' }, ['new', 'old']],
      ['a part of the name', { nameContains: 'l' }, ['failed', 'old']],
      ['a part in another case', { nameContains: 'L' }, []],
      ['a sign that means something to LIKE', { nameContains: '%' }, []],
      ['another', { nameContains: '_' }, []],
      ['the latest time', { createdUntil: at(20) }, ['done', 'old']],
      ['the earliest time', { createdFrom: at(20) }, ['done', 'failed', 'new']],
      ['a span', { createdFrom: at(20), createdUntil: at(30) }, ['done', 'failed']],
      ['a tag', { tags: { owner: 'ann' } }, ['done', 'new', 'old']],
      ['every tag', { tags: { owner: 'ann', rack: '1' } }, ['new']],
      ['a tag of another value', { tags: { owner: 'an' } }, []],
      [
        'all together',
        { tags: { owner: 'ann' }, state: 'pending', nameContains: 'o', createdUntil: at(35) },
        ['old'],
      ],
    ] satisfies [string, SessionFilter, string[]][])('finds by %s', async (_, filter, expected) => {
      const { store } = stores();
      await addFour(store);

      expect(await names(store, filter)).toEqual(expected);
    });

    test('finds by tags of any length, and never mistakes one for another', async () => {
      const { store } = stores();
      const [long, other] = [randomText(5_000), randomText(5_000)];
      const digest = createHash('sha512').update(long).digest('hex');
      const many = Object.fromEntries(Array.from({ length: 12_000 }, (_, index) => [index, 'x']));
      await store.sessions.insert(aNewSession('key', { tags: { [long]: 'x' } }));
      await store.sessions.insert(aNewSession('value', { tags: { owner: long } }));
      await store.sessions.insert(aNewSession('digest', { tags: { owner: digest } }));
      await store.sessions.insert(aNewSession('many', { tags: many }));

      expect(await names(store, { tags: { [long]: 'x' } })).toEqual(['key']);
      expect(await names(store, { tags: { owner: long } })).toEqual(['value']);
      expect(await names(store, { tags: { owner: digest } })).toEqual(['digest']);
      expect(await names(store, { tags: { owner: other } })).toEqual([]);
      expect(await names(store, { tags: { '11999': 'x' } })).toEqual(['many']);
      expect((await store.sessions.find('value'))?.request.tags).toEqual({ owner: long });
    });

    test('finds by very many tags', async () => {
      const { store } = stores();
      const long = randomText(5_000);
      const many = Array.from({ length: 12_000 }, (_, index): [string, string] => [
        `k${index}`,
        'x',
      ]);
      const tags = Object.fromEntries([[long, long], ...many]);
      await store.sessions.insert(aNewSession('all', { tags }));
      await store.sessions.insert(aNewSession('one-other', { tags: { ...tags, k7: 'other' } }));

      expect(await names(store, { tags })).toEqual(['all']);
      expect(await names(store, { tags: { ...tags, one: 'more' } })).toEqual([]);
      const deletion = { at: at(50), by: 'test' };
      expect(await store.sessions.deleteMany({ tags }, deletion)).toEqual(['all']);
    });

    test('shows all that `get` shows, except the snapshot', async () => {
      const { store } = stores();
      await addFour(store);
      const { jobId } = aNewSession('new');
      await store.sessions.claim(jobId, { at: at(50), machine: 'm' });
      await store.sessions.saveSnapshot(jobId, aSnapshot());
      await store.sessions.addArtifact(jobId, {
        imageId: 'i',
        resultId: 'r',
        type: 'ims_customized_image',
      });
      const all = [];
      for (const name of ['done', 'failed', 'new', 'old']) {
        all.push({ ...(await store.sessions.get(aNewSession(name).jobId)), snapshot: undefined });
      }

      expect((await store.sessions.list({}, { limit: 10 })).items).toEqual(all);
      expect((await store.sessions.list({ tags: { owner: 'ann' } }, { limit: 1 })).items).toEqual([
        all[0],
      ]);
    });

    test('leaves large requests to be read part by part, and then shows all that `get` shows', async () => {
      const { store } = stores();
      await addFour(store);
      const ansibleLimit = 'x1000c0s0b0n0,'.repeat(2_000);
      const names = Array.from(
        { length: 30 },
        (_, index) => `large-${String(index).padStart(2, '0')}`,
      );
      for (const name of names) await store.sessions.insert(aNewSession(name, { ansibleLimit }));
      const [first = ''] = names;
      const artifacts = [{ image_id: 'x'.repeat(20_000) }];
      await store.sessions.patch('old', (session) => ({
        ...session,
        succeeded: 'none',
        patched: { artifacts },
      }));

      const { items } = await store.sessions.list({}, { limit: 100 });
      const parts = [];
      for await (const part of store.sessions.readRequests(items)) parts.push(part);

      expect(items.filter(({ request }) => request === undefined)).toHaveLength(31);
      expect(parts.length).toBeGreaterThan(3);
      expect(parts.flat().map(({ name }) => name)).toEqual([
        'done',
        'failed',
        ...names,
        'new',
        'old',
      ]);
      for (const session of parts.flat())
        expect(session).toEqual(await store.sessions.get(session.jobId));
      expect(parts[0]?.find(({ name }) => name === first)?.request).toMatchObject({ ansibleLimit });
    });

    test('shows a large session that is deleted meanwhile until its record is removed', async () => {
      const { store } = stores();
      const ansibleLimit = 'x1000c0s0b0n0,'.repeat(2_000);
      for (const name of ['gone', 'kept']) {
        const { jobId } = await store.sessions.insert(aNewSession(name, { ansibleLimit }));
        await store.sessions.recordOutcome(jobId, { succeeded: 'true' }, at(10));
      }
      const { items } = await store.sessions.list({}, { limit: 2 });
      const read = async () => {
        const names = [];
        for await (const part of store.sessions.readRequests(items))
          names.push(...part.map(({ name }) => name));
        return names;
      };

      await store.sessions.requestDelete('gone', { at: at(20), by: 'test' });
      expect(await read()).toEqual(['gone', 'kept']);
      await store.retention.removeDeleted(at(30));
      expect(await read()).toEqual(['kept']);
    });

    test('pages without a gap, and says whether there is more', async () => {
      const { store } = stores();
      await addFour(store);
      const page = async (filter: SessionFilter, afterId?: string) => {
        const request = afterId === undefined ? { limit: 2 } : { limit: 2, afterId };
        const { items, hasMore } = await store.sessions.list(filter, request);
        return [...items.map(({ name }) => name), hasMore];
      };

      expect(await page({})).toEqual(['done', 'failed', true]);
      expect(await page({}, 'failed')).toEqual(['new', 'old', false]);
      expect(await page({}, 'gone-meanwhile')).toEqual(['new', 'old', false]);
      expect(await page({}, 'old')).toEqual([false]);
      expect(await page({ tags: { owner: 'ann' } })).toEqual(['done', 'new', true]);
      expect(await page({ tags: { owner: 'ann' } }, 'new')).toEqual(['old', false]);
    });
  });
}

async function names(store: Store, filter: SessionFilter): Promise<readonly string[]> {
  return (await store.sessions.list(filter, { limit: 100 })).items.map(({ name }) => name);
}

async function addFour({ sessions }: Store): Promise<void> {
  await sessions.insert(aNewSession('old', { createdAt: at(10), tags: { owner: 'ann' } }));
  const done = await sessions.insert(
    aNewSession('done', { createdAt: at(20), tags: { owner: 'ann' } }),
  );
  const failed = await sessions.insert(
    aNewSession('failed', { createdAt: at(30), tags: { owner: 'bob' } }),
  );
  await sessions.insert(
    aNewSession('new', { createdAt: at(40), tags: { owner: 'ann', rack: '1' } }),
  );
  await sessions.recordOutcome(done.jobId, { succeeded: 'true' }, at(50));
  await sessions.recordOutcome(failed.jobId, { succeeded: 'false', reason: 'TASK_FAILED' }, at(50));
}

/** Text that no index can compress. */
function randomText(length: number): string {
  return randomBytes(length).toString('base64').slice(0, length);
}
