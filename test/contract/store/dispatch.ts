import { describe, expect, test } from '@jest/globals';
import type { Store } from '../../../src/store/store.js';
import { aNewSession, at } from '../../support/store-builders.js';
import type { Stores } from '../store-contract.js';

export function dispatchContract(stores: () => Stores): void {
  describe('sessions.takeWishes', () => {
    test('hands each new session to one taker, oldest first', async () => {
      const { store, other } = stores();
      for (let index = 0; index < 20; index += 1) {
        await store.sessions.insert(aNewSession(`s${index}`, { createdAt: at(100 - index) }));
      }
      const take = { now: at(200), leaseUntil: at(230), limit: 5 };

      const first = await store.sessions.takeWishes(take);
      const taken = await Promise.all(
        [1, 2, 3].map((n) => (n % 2 === 0 ? store : other).sessions.takeWishes(take)),
      );

      expect(first.map(({ name }) => name)).toEqual(['s19', 's18', 's17', 's16', 's15']);
      expect(new Set([first, ...taken].flat().map(({ name }) => name)).size).toBe(20);
      for (const sessions of taken) {
        const times = sessions.map(({ createdAt }) => createdAt);
        expect(times).toEqual([...times].sort());
      }
      expect(await store.sessions.takeWishes(take)).toEqual([]);
    });

    test('hands out again what a lost taker has left undone', async () => {
      const { store } = stores();
      await store.sessions.insert(aNewSession('a'));
      await store.sessions.takeWishes({ now: at(0), leaseUntil: at(30), limit: 9 });

      expect(await take(store, 29)).toEqual([]);
      expect(await take(store, 30)).toEqual(['a run']);
    });

    test('does not wait for a lease from a clock that was hours ahead', async () => {
      const { store } = stores();
      await store.sessions.insert(aNewSession('a'));
      await store.sessions.takeWishes({ now: at(7200), leaseUntil: at(7230), limit: 9 });

      expect(await take(store, 29)).toEqual(['a run']);
      expect(await take(store, 30)).toEqual([]);
    });

    test('has the cancel once the start is acknowledged, and nothing once the cancel is', async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      await store.sessions.claim(jobId, { at: at(1) });
      expect(await take(store, 2)).toEqual(['a run']);
      await store.sessions.recordDispatched(jobId, 'started');
      expect(await take(store, 3)).toEqual([]);

      await store.sessions.requestCancel('a', { at: at(4) });
      expect(await take(store, 5)).toEqual(['a cancel']);
      await store.sessions.recordDispatched(jobId, 'cancelled');
      await store.sessions.recordDispatched(jobId, 'started');
      expect((await store.sessions.get(jobId))?.dispatched).toBe('cancelled');
      expect(await take(store, 6)).toEqual([]);
    });

    test('does not lose a cancel that came during the start', async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      await take(store, 1);
      await store.sessions.claim(jobId, { at: at(2) });
      await store.sessions.requestDelete('a', { at: at(2) });

      await store.sessions.recordDispatched(jobId, 'started');

      expect(await take(store, 3)).toEqual(['a delete']);
    });

    test('has no complete session', async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      await store.sessions.insert(aNewSession('b'));
      await store.sessions.recordOutcome(
        jobId,
        { succeeded: 'unknown', reason: 'JOB_LOST' },
        at(1),
      );
      await store.sessions.requestCancel('b', { at: at(1) });

      expect(await take(store, 2)).toEqual([]);
    });
  });

  describe('sessions.returnWish', () => {
    test('lets it be taken from then on', async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      await store.sessions.insert(aNewSession('b'));
      await take(store, 1);

      await store.sessions.returnWish(jobId, at(5));

      expect(await store.sessions.nextWishAt()).toBe(at(5));
      expect(await take(store, 4)).toEqual([]);
      expect(await take(store, 5)).toEqual(['a run']);
    });
  });

  describe('sessions.nextWishAt and countWishes', () => {
    test('tell what waits', async () => {
      const { store } = stores();
      expect(await store.sessions.nextWishAt()).toBeUndefined();
      expect(await store.sessions.countWishes()).toBe(0);
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      await store.sessions.insert(aNewSession('b'));

      expect((await store.sessions.nextWishAt()) ?? '').not.toBe('');
      expect(((await store.sessions.nextWishAt()) ?? '') < at(0)).toBe(true);
      expect(await store.sessions.countWishes()).toBe(2);
      await take(store, 1);
      expect(await store.sessions.nextWishAt()).toBe(at(31));
      await store.sessions.recordDispatched(jobId, 'started');
      expect(await store.sessions.countWishes()).toBe(1);
    });
  });
}

async function take({ sessions }: Store, second: number): Promise<readonly string[]> {
  const taken = await sessions.takeWishes({
    now: at(second),
    leaseUntil: at(second + 30),
    limit: 9,
  });
  return taken.map(({ name, desired }) => `${name} ${desired}`);
}
