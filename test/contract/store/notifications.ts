import { describe, expect, test } from '@jest/globals';
import type { Change, Store } from '../../../src/store/store.js';
import { aNewSession, at } from '../../support/store-builders.js';
import { waitFor } from '../../support/wait.js';
import type { Stores } from '../store-contract.js';

const due = async (store: Store) =>
  (await store.notifications.listDue({ limit: 100 })).map(({ name }) => name);

const add = async (store: Store, ...names: readonly string[]) => {
  for (const name of names) await store.sessions.insert(aNewSession(name));
  return names.map((name) => `cfs-${name}-0123abcd`);
};

const end = (store: Store, jobId = '') =>
  store.sessions.recordOutcome(jobId, { succeeded: 'false', reason: 'TASK_FAILED' }, at(9));

export function notificationContract(stores: () => Stores): void {
  describe('notifications', () => {
    test('note the end of each session once, whoever ends it, but not of external sessions', async () => {
      const { store, other } = stores();
      await add(store, 'before', 'ran', 'running', 'cancelled', 'deleted', 'many-1', 'many-2');
      await end(store, 'cfs-before-0123abcd');
      expect(await other.notifications.turnOn()).toBe(true);
      expect(await store.notifications.turnOn()).toBe(false);
      await end(store, 'cfs-ran-0123abcd');
      await end(store, 'cfs-ran-0123abcd');
      await store.sessions.claim('cfs-running-0123abcd', { at: at(1) });
      await store.sessions.requestCancel('running', { at: at(2) });
      await store.sessions.requestCancel('cancelled', { at: at(2) });
      await store.sessions.requestDelete('deleted', { at: at(3) });
      await store.sessions.requestDelete('ran', { at: at(4) });
      await store.sessions.deleteMany({ nameContains: 'many' }, { at: at(5) });
      await store.sessions.insert({ ...aNewSession('outside'), external: true });
      await store.sessions.requestCancel('outside', { at: at(6) });

      expect(await due(other)).toEqual(['cancelled', 'deleted', 'many-1', 'many-2', 'ran']);
      expect(
        await other.notifications.listDue({ limit: 1, afterId: 'cfs-many-2-0123abcd' }),
      ).toEqual([{ jobId: 'cfs-ran-0123abcd', name: 'ran', succeeded: 'false' }]);
    });

    test('that were handed over and are not told yet are found by when that was', async () => {
      const { store } = stores();
      const ids = await add(store, 'due', 'early', 'middle', 'late');
      await store.notifications.turnOn();
      for (const jobId of ids) await end(store, jobId);
      for (const [index, jobId] of ids.slice(1).entries())
        await store.notifications.recordHandedOver([jobId], at(10 * (index + 1)));
      const untold = async (from: string, until: string, limit = 9) =>
        (await store.notifications.listUntold({ from, until, limit })).map(({ name }) => name);
      expect((await untold(at(10), at(20))).sort()).toEqual(['early', 'middle']);
      const ever = await store.notifications.listUntold({ until: at(10), limit: 9 });
      expect(ever).toMatchObject([{ name: 'early' }]);
      expect(await untold(at(11), at(29))).toEqual(['middle']);
      expect(await untold(at(0), at(99), 2)).toHaveLength(2);
    });

    test.each(['recordOutcome', 'requestCancel', 'requestDelete', 'deleteMany'])(
      'are told of to who listens, after %s',
      async (act) => {
        const { store, other } = stores();
        const [jobId = ''] = await add(store, 'a');
        await store.notifications.turnOn();
        const seen: Change[] = [];
        const elsewhere: Change[] = [];
        store.subscribe((change) => void seen.push(change));
        other.subscribe((change) => void elsewhere.push(change));
        const acts: Record<string, () => Promise<unknown>> = {
          recordOutcome: () => end(store, jobId),
          requestCancel: () => store.sessions.requestCancel('a', { at: at(2) }),
          requestDelete: () => store.sessions.requestDelete('a', { at: at(2) }),
          deleteMany: () => store.sessions.deleteMany({}, { at: at(2) }),
        };
        await acts[act]?.();
        const isHeard = ({ kind }: Change) => kind === 'end' || kind === 'any';
        await waitFor(() => seen.some(isHeard) && elsewhere.some(isHeard));
      },
    );

    test('are due until they are handed over, and again after a rebind to another Temporal', async () => {
      const { store } = stores();
      await store.notifications.turnOn();
      const jobIds = await add(store, 'a', 'b', 'c');
      for (const jobId of jobIds) await end(store, jobId);
      await store.sweep.bindTemporal('one');
      await store.notifications.recordHandedOver(jobIds.slice(0, 2), at(10));
      expect(await due(store)).toEqual(['c']);
      await store.sweep.rebindTemporal('one');
      expect(await due(store)).toEqual(['c']);
      await store.notifications.remove(jobIds.slice(0, 1));
      await store.sweep.rebindTemporal('two');
      expect(await due(store)).toEqual(['b', 'c']);
    });

    test('keep the record of a deleted session until they are told', async () => {
      const { store } = stores();
      await store.notifications.turnOn();
      const [jobId = ''] = await add(store, 'a');
      await store.sessions.requestDelete('a', { at: at(1) });
      await store.notifications.recordHandedOver([jobId], at(2));
      expect(await store.retention.removeDeleted(at(100))).toBe(0);
      await store.notifications.remove([jobId]);
      await store.notifications.remove([jobId]);
      expect(await store.retention.removeDeleted(at(100))).toBe(1);
      expect(await store.sessions.get(jobId)).toBeUndefined();
    });

    test('are gone once they are turned off', async () => {
      const { store, other } = stores();
      await store.notifications.turnOn();
      const [first, second] = await add(store, 'a', 'b');
      await end(store, first);
      expect(await other.notifications.turnOff()).toBe(1);
      await end(store, second);
      expect(await store.notifications.count()).toBe(0);
    });
  });
}
