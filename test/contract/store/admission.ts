import { describe, expect, test } from '@jest/globals';
import type { Store } from '../../../src/store/store.js';
import { aNewSession, at } from '../../support/store-builders.js';
import type { Stores } from '../store-contract.js';

const idOf = (name: string) => `cfs-${name}-0123abcd`;

/** Inserts and claims sessions, each a second after the one before. */
async function claim(store: Store, names: readonly string[]): Promise<void> {
  for (const [index, name] of names.entries()) {
    await store.sessions.insert(aNewSession(name));
    await store.sessions.recordDispatched(idOf(name), 'started');
    await store.sessions.claim(idOf(name), { at: at(index) });
  }
}

const end = (store: Store, name: string) =>
  store.sessions.recordOutcome(idOf(name), { succeeded: 'true' }, at(1000));

async function admitted(store: Store, names: readonly string[]): Promise<readonly string[]> {
  const sessions = await Promise.all(names.map((name) => store.sessions.get(idOf(name))));
  return sessions.flatMap((session) => (session?.admittedAt === undefined ? [] : session.name));
}

const byName = (sessions: readonly { readonly name: string }[]) =>
  sessions.toSorted((left, right) => (left.name < right.name ? -1 : 1));

export function admissionContract(stores: () => Stores): void {
  const names = ['a', 'b', 'c', 'd'];

  describe('places for running sessions', () => {
    test('are unlimited as long as no number is set', async () => {
      const { store } = stores();
      await claim(store, names);
      expect(await admitted(store, names)).toEqual(names);
      expect(await store.sessions.countWishes()).toBe(0);
    });

    test('go to the first that come, and a free place to the first that waits', async () => {
      const { store, other } = stores();
      await store.options.patch({ maxRunningSessions: 2 });
      await claim(store, names);
      expect(await admitted(store, names)).toEqual(['a', 'b']);
      const places = new Map([
        [idOf('c'), 1],
        [idOf('d'), 2],
      ]);
      expect(await other.admission.places(names.map(idOf))).toEqual(places);
      const many = [...names, ...Array.from({ length: 9 }, (_, index) => `unknown-${index}`)];
      expect(await other.admission.places(many.map(idOf))).toEqual(places);
      expect(await other.admission.allPlaces()).toEqual(places);
      expect(await other.admission.places([idOf('d')])).toEqual(new Map([[idOf('d'), 2]]));
      expect(await other.admission.countQueued()).toBe(2);
      await end(other, 'b');
      expect(await admitted(store, names)).toEqual(['a', 'b', 'c']);
      const [wish, ...more] = await store.sessions.takeWishes({
        now: at(2000),
        leaseUntil: at(2030),
        limit: 9,
      });
      expect(more).toEqual([]);
      expect(wish).toMatchObject({ name: 'c', admissionDue: true });
      await store.sessions.recordDispatched(idOf('c'), 'started', { toldOf: wish?.admittedAt });
      expect(await store.sessions.countWishes()).toBe(0);
    });

    test('go to the first that came, although the clock was set back since', async () => {
      const { store } = stores();
      await store.options.patch({ maxRunningSessions: 1 });
      await claim(store, ['a', 'd']);
      for (const name of ['c', 'b']) {
        await store.sessions.insert(aNewSession(name));
        await store.sessions.claim(idOf(name), { at: at(-3600) });
      }
      for (const [ended, next] of [
        ['a', 'd'],
        ['d', 'c'],
        ['c', 'b'],
      ] as const) {
        await end(store, ended);
        expect((await store.sessions.get(idOf(next)))?.admittedAt).toBeDefined();
      }
    });

    test('are not taken by a session that waits and is cancelled', async () => {
      const { store } = stores();
      await store.options.patch({ maxRunningSessions: 1 });
      await claim(store, ['a', 'b', 'c']);
      await end(store, 'b');
      expect(await admitted(store, ['a', 'b', 'c'])).toEqual(['a']);
      expect(await store.admission.places(names.map(idOf))).toEqual(new Map([[idOf('c'), 1]]));
      await end(store, 'a');
      expect(await admitted(store, ['c'])).toEqual(['c']);
    });

    test('are kept when the claim is repeated, also after a wait', async () => {
      const { store } = stores();
      await store.options.patch({ maxRunningSessions: 1 });
      await claim(store, ['a', 'b']);
      expect(await store.sessions.claim(idOf('a'), { at: at(50) })).toMatchObject({
        admittedAt: at(0),
      });
      expect(await store.sessions.claim(idOf('b'), { at: at(50) })).toMatchObject({
        queuedAt: at(1),
      });
      expect(await admitted(store, ['a', 'b'])).toEqual(['a']);
    });

    test('are given out by `admit` once the number is raised', async () => {
      const { store } = stores();
      await store.options.patch({ maxRunningSessions: 1 });
      await claim(store, names);
      await store.options.patch({ maxRunningSessions: 3 });
      const next = ['b', 'c'].map((name) => ({ jobId: idOf(name), name }));
      expect(byName(await store.admission.listAdmissible(at(60)))).toEqual(next);
      expect(await admitted(store, names)).toEqual(['a']);
      expect(byName(await store.admission.admit(at(60)))).toEqual(next);
      expect(await store.admission.admit(at(60))).toEqual([]);
      expect(await admitted(store, names)).toEqual(['a', 'b', 'c']);
      await store.options.patch({ maxRunningSessions: 0 });
      await store.admission.admit(at(61));
      expect(await admitted(store, names)).toEqual(names);
    });

    test('are never exceeded, whoever claims and ends at the same time', async () => {
      const { store, other } = stores();
      await store.options.patch({ maxRunningSessions: 3 });
      const many = Array.from({ length: 24 }, (_, index) => `m${String(index).padStart(2, '0')}`);
      for (const name of many) await store.sessions.insert(aNewSession(name));
      const by = (index: number) => (index % 2 === 0 ? store : other);
      await Promise.all(
        many.map((name, index) => by(index).sessions.claim(idOf(name), { at: at(index) })),
      );
      const over = new Set<string>();
      while (over.size < many.length) {
        const running = (await admitted(store, many)).filter((name) => !over.has(name));
        expect(running).toHaveLength(3);
        await Promise.all(running.map((name, index) => end(by(index), name)));
        for (const name of running) over.add(name);
      }
    });
  });
}
