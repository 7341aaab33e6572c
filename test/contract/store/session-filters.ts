import { describe, expect, test } from '@jest/globals';
import type { Session } from '../../../src/core/session.js';
import type { Store } from '../../../src/store/store.js';
import { combine, fits } from '../../support/plain-filter.js';
import { aNewSession, at, listWhole } from '../../support/store-builders.js';
import type { Stores } from '../store-contract.js';

const LONG = 'long '.repeat(40);

const filters = combine({
  state: [undefined, 'pending', 'running', 'complete'],
  succeeded: [undefined, 'none', 'unknown'],
  tags: [
    { half: '1' },
    { half: '0', third: '2' },
    { half: '1', all: '1', [LONG]: LONG },
    { third: 'nobody' },
  ],
  createdFrom: [undefined, at(30)],
  nameContains: [undefined, '3'],
});

export function sessionFilterContract(stores: () => Stores): void {
  describe('sessions.list by tags', () => {
    test('sees every change of a session, however it was made', async () => {
      const { store, other } = stores();
      for (let index = 0; index < 72; index += 1) await addSession(store, index);
      const changes = Array.from({ length: 72 }, (_, index) => change(other, index));
      await Promise.all(changes);
      const all = await listWhole(store, {}, { limit: 1_000 });

      expect(all).toHaveLength(56);
      expect(
        new Set(all.map(({ state, outcome }) => `${state} ${outcome?.succeeded ?? ''}`)),
      ).toEqual(
        new Set(['pending ', 'running ', 'complete true', 'complete false', 'complete unknown']),
      );
      for (const filter of filters) {
        const expected = all.filter((session) => fits(session, filter));
        expect([filter, await walk(store, filter)]).toEqual([
          filter,
          expected.map(({ name }) => name),
        ]);
      }
    });

    test('finds no tag of a deleted session, nor of another with its name', async () => {
      const { store } = stores();
      const deletion = { at: at(50) };
      await store.sessions.insert(aNewSession('a', { tags: { owner: 'ann' } }));
      await store.sessions.requestDelete('a', deletion);
      expect(await walk(store, { tags: { owner: 'ann' } })).toEqual([]);
      const next = aNewSession('a', { tags: { owner: 'bob' } });
      await store.sessions.insert({ ...next, jobId: 'cfs-a-89abcdef' });

      expect(await walk(store, { tags: { owner: 'ann' } })).toEqual([]);
      expect(await walk(store, { tags: { owner: 'bob' } })).toEqual(['a']);
    });
  });
}

const toName = (index: number) => `s${String(index).padStart(2, '0')}`;

async function addSession({ sessions }: Store, index: number): Promise<void> {
  const tags = {
    all: '1',
    half: String(index % 2),
    third: String(index % 3),
    ...(index % 5 === 0 ? { [LONG]: LONG } : {}),
  };
  const session = aNewSession(toName(index), { createdAt: at(index), tags });
  await sessions.insert(index % 9 > 6 ? { ...session, external: true } : session);
}

/** In ninths, so that each change meets sessions with every tag. */
async function change({ sessions, retention }: Store, index: number): Promise<void> {
  const name = toName(index);
  const { jobId } = aNewSession(name);
  const changes: readonly (() => Promise<unknown>)[] = [
    () => sessions.markRunning(jobId),
    () => sessions.recordOutcome(jobId, { succeeded: 'true' }, at(100)),
    () => sessions.recordOutcome(jobId, { succeeded: 'unknown' }, at(100)),
    () => sessions.requestCancel(name, { at: at(100) }),
    () => sessions.requestDelete(name, { at: at(100) }),
    async () => {
      await sessions.recordOutcome(jobId, { succeeded: 'false' }, at(10));
      await retention.expireSessions(at(11), at(12));
    },
    () => sessions.recordAttach(jobId, { at: at(100), incarnation: 'x' }),
    () => patch(sessions, name, { state: 'running', createdAt: at(0) }),
  ];
  await changes[index % 9]?.();
}

function patch(
  sessions: Store['sessions'],
  name: string,
  change: Pick<Session, 'state' | 'createdAt'>,
): Promise<Session> {
  return sessions.patch(name, () => ({ patched: {}, succeeded: 'none', ...change }));
}

async function walk(
  { sessions }: Store,
  filter: Parameters<Store['sessions']['list']>[0],
): Promise<readonly string[]> {
  const found: string[] = [];
  for (;;) {
    const after = found.at(-1);
    const page = { limit: 20, ...(after === undefined ? {} : { afterId: after }) };
    const { items, hasMore } = await sessions.list(filter, page);
    found.push(...items.map(({ name }) => name));
    if (!hasMore) return found;
  }
}
