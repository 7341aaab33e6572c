import { describe, expect, test } from '@jest/globals';
import { aNewSession, at } from '../../support/store-builders.js';
import type { Stores } from '../store-contract.js';

export function sweepContract(stores: () => Stores): void {
  describe('sweep.listUnfinished', () => {
    test('has what Temporal knows and is not complete, deleted or not, page by page', async () => {
      const { store } = stores();
      for (const name of ['a', 'b', 'c', 'new', 'over']) {
        const { jobId } = await store.sessions.insert(aNewSession(name));
        if (name !== 'new') await store.sessions.recordDispatched(jobId, 'started');
      }
      await store.sessions.claim('cfs-b-0123abcd', { at: at(1) });
      await store.sessions.requestDelete('b', { at: at(2) });
      await store.sessions.recordOutcome('cfs-over-0123abcd', { succeeded: 'true' }, at(3));

      const first = await store.sweep.listUnfinished({ limit: 2 });
      expect(first.items.map(({ name }) => name)).toEqual(['a', 'b']);
      expect(first.hasMore).toBe(true);
      const afterId = first.items.at(-1)?.jobId ?? '';
      const second = await store.sweep.listUnfinished({ limit: 2, afterId });
      expect(second.items.map(({ name }) => name)).toEqual(['c']);
      expect(second.hasMore).toBe(false);
    });
  });

  describe('sweep.listLeftovers', () => {
    test('has complete sessions that still hold something, and no others', async () => {
      const { store } = stores();
      for (const name of ['clean', 'noted', 'running', 'staged']) {
        const { jobId } = await store.sessions.insert(aNewSession(name));
        if (name === 'staged' || name === 'running')
          await store.stagedFiles.save(jobId, 'inventory', new Uint8Array([1]));
        if (name === 'noted') await store.resources.note(jobId, 'ims-key', 'k');
        if (name !== 'running')
          await store.sessions.recordOutcome(jobId, { succeeded: 'true' }, at(1));
      }
      const names = async (limit: number) =>
        (await store.sweep.listLeftovers(limit)).map(({ name }) => name);
      expect((await names(9)).sort()).toEqual(['noted', 'staged']);
      expect(await names(1)).toHaveLength(1);
    });
  });

  describe('sweep.bindTemporal', () => {
    test('keeps the first namespace that any process binds, until it is rebound', async () => {
      const { store, other } = stores();
      const bound = await Promise.all([
        store.sweep.bindTemporal('a'),
        other.sweep.bindTemporal('b'),
      ]);
      expect(new Set(bound).size).toBe(1);
      expect(await other.sweep.bindTemporal('c')).toBe(bound[0]);
      await store.sweep.rebindTemporal('d');
      expect(await other.sweep.bindTemporal('a')).toBe('d');
    });
  });

  describe('sweep.seeMachine', () => {
    test('keeps when each machine was last seen', async () => {
      const { store, other } = stores();
      await store.sweep.seeMachine('m1', at(1));
      await other.sweep.seeMachine('m2', at(2));
      await store.sweep.seeMachine('m1', at(3));
      expect(await store.sweep.listMachines()).toEqual(
        new Map([
          ['m1', at(3)],
          ['m2', at(2)],
        ]),
      );
    });

    test('counts no machine as silent for a time in which none could be heard', async () => {
      const { store, other } = stores();
      const hour = 3600;
      await store.sweep.seeMachine('m1', at(0));
      await other.sweep.seeMachine('m2', at(1));
      await store.sweep.seeMachine('m1', at(hour));
      await other.sweep.seeMachine('m3', at(hour + 1));
      await store.sweep.seeMachine('m1', at(hour + 30));
      expect(await store.sweep.listMachines()).toEqual(
        new Map([
          ['m1', at(hour + 30)],
          ['m2', at(hour)],
          ['m3', at(hour + 1)],
        ]),
      );
    });
  });

  describe('sweep.seeMachine of one that comes back', () => {
    const hour = 3600;

    test('counts a machine that was heard before the clock was set back as seen now', async () => {
      const { store, other } = stores();
      await store.sweep.seeMachine('dead', at(24 * hour));
      await store.sweep.seeMachine('near', at(100));
      await other.sweep.seeMachine('alive', at(0));
      const seen = new Map([
        ['dead', at(100)],
        ['near', at(100)],
        ['alive', at(0)],
      ]);
      expect(await store.sweep.listMachines()).toEqual(seen);
    });

    test('gives no machine more time if another one was heard meanwhile', async () => {
      const { store, other } = stores();
      for (const machine of ['away', 'dead', 'alive']) await store.sweep.seeMachine(machine, at(0));
      for (let time = 60; time < hour; time += 60) await other.sweep.seeMachine('alive', at(time));
      await store.sweep.seeMachine('away', at(hour));
      expect((await store.sweep.listMachines()).get('dead')).toBe(at(0));
    });

    test('gives all machines their time again after a time without any, even if the first one heard is new', async () => {
      const { store } = stores();
      await store.sweep.seeMachine('slower', at(0));
      await store.sweep.seeMachine('new', at(hour));
      expect((await store.sweep.listMachines()).get('slower')).toBe(at(hour));
    });
  });

  describe('sweep.tellAgain', () => {
    const taken = async ({ store }: Stores) => {
      const wishes = await store.sessions.takeWishes({ now: at(9), leaseUntil: at(39), limit: 9 });
      return wishes.map(({ name, desired, dispatched, admissionDue }) => [
        name,
        desired,
        dispatched,
        admissionDue,
      ]);
    };

    test('has cancels and admissions told once more, and nothing else', async () => {
      const { store } = stores();
      await store.options.patch({ maxRunningSessions: 2 });
      for (const name of ['a', 'b', 'c', 'd', 'over']) {
        const { jobId } = await store.sessions.insert(aNewSession(name));
        await store.sessions.claim(jobId, { at: at(1) });
        await store.sessions.recordDispatched(jobId, 'started');
      }
      await store.sessions.insert({ ...aNewSession('theirs'), external: true });
      await store.sessions.requestCancel('b', { at: at(2) });
      await store.sessions.recordDispatched('cfs-b-0123abcd', 'cancelled');
      // Session c, which has waited, gets its place; d waits on.
      await store.sessions.recordOutcome('cfs-a-0123abcd', { succeeded: 'true' }, at(3));
      await store.sessions.recordDispatched('cfs-c-0123abcd', 'started', { toldOf: at(3) });
      await store.sessions.requestCancel('over', { at: at(4) });
      await store.sessions.recordOutcome('cfs-over-0123abcd', { succeeded: 'false' }, at(5));
      expect(await taken(stores())).toEqual([]);

      await store.sweep.tellAgain();
      expect((await taken(stores())).sort()).toEqual([
        ['b', 'cancel', 'started', false],
        ['c', 'run', 'started', true],
      ]);
    });

    test('has ends of sessions handed over once more', async () => {
      const { store } = stores();
      await store.notifications.turnOn();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      await store.sessions.recordOutcome(jobId, { succeeded: 'true' }, at(1));
      await store.notifications.recordHandedOver([jobId], at(2));
      await store.sweep.tellAgain();
      expect(await store.notifications.listDue({ limit: 9 })).toMatchObject([{ jobId }]);
    });
  });

  describe('sweep.clock', () => {
    test('tells the time as all times are written', async () => {
      const { store } = stores();
      const before = Date.now() - 60_000;
      const clock = await store.sweep.clock();
      expect(clock).toBe(new Date(clock).toISOString());
      expect(Date.parse(clock)).toBeGreaterThan(before);
    });
  });

  describe('after a restore', () => {
    test('sweep.attachOnly keeps what is not complete from being launched', async () => {
      const { store } = stores();
      for (const name of ['a', 'b', 'over']) {
        const { jobId } = await store.sessions.insert(aNewSession(name));
        if (name === 'over')
          await store.sessions.recordOutcome(jobId, { succeeded: 'true' }, at(1));
      }
      expect(await store.sweep.attachOnly()).toEqual(['a', 'b']);
      expect(await store.sweep.attachOnly()).toEqual([]);
      const launch = { at: at(2), incarnation: 'i' };
      const { won } = await store.sessions.recordLaunch('cfs-a-0123abcd', launch);
      expect(won).toBe(false);
    });

    test('sessions.recordKnownEnd keeps what is known, and the session from being launched, until it is complete', async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      const outcome = { succeeded: 'false', reason: 'TASK_FAILED', message: 'it broke' } as const;
      await store.sessions.recordKnownEnd(jobId, { runId: 'r', outcome });
      const { won, session } = await store.sessions.recordLaunch(jobId, {
        ...{ at: at(2), incarnation: 'i' },
      });
      expect([won, session.knownEnd, session.attachOnly]).toEqual([
        false,
        { runId: 'r', outcome },
        true,
      ]);
      await store.sessions.recordOutcome(jobId, outcome, at(3));
      await store.sessions.recordKnownEnd(jobId, { runId: 's', outcome: { succeeded: 'true' } });
      expect(await store.sessions.get(jobId)).toMatchObject({ outcome, knownEnd: { outcome } });
    });

    test('sessions.recordAttach takes over a job that runs, once, with its machine', async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      await store.sweep.attachOnly();
      const attach = { at: at(2), incarnation: 'i', machine: 'm' };
      expect(await store.sessions.recordAttach(jobId, attach)).toMatchObject({
        state: 'running',
        launchedAt: at(2),
        claimedAt: at(2),
        incarnation: 'i',
        machine: 'm',
      });
      const again = { at: at(3), incarnation: 'other', machine: 'n' };
      expect(await store.sessions.recordAttach(jobId, again)).toMatchObject({
        incarnation: 'i',
        machine: 'm',
      });
      await store.sessions.recordOutcome(jobId, { succeeded: 'true' }, at(4));
      expect(await store.sessions.recordAttach(jobId, again)).toMatchObject({ state: 'complete' });
    });
  });
}
