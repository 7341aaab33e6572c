import { describe, expect, test } from '@jest/globals';
import type { PhaseResult } from '../../../src/core/job.js';
import { addPlannedSession, aNewSession, at, count } from '../../support/store-builders.js';
import type { Stores } from '../store-contract.js';

/** A request to release what is held. */
const asks = (minute: number) => ({ at: at(minute), by: 'api', rerun: false });

const exited: PhaseResult = { kind: 'exited', exitCode: 2, startedAt: at(10), endedAt: at(20) };

export function phaseContract(stores: () => Stores): void {
  describe('phases.savePlan', () => {
    test('keeps the order and the first plan', async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      const plan = [
        { name: 'git-clone-0', kind: 'git-clone', title: 'clone' },
        { name: 'inventory', kind: 'inventory', title: 'hosts' },
        { name: 'ansible-0', kind: 'ansible', title: 'play' },
      ] as const;
      await store.phases.savePlan(jobId, plan);
      await store.phases.start(jobId, 'git-clone-0');

      await store.phases.savePlan(jobId, plan);

      expect(await store.phases.list(jobId)).toEqual([
        { ...plan[0], jobId, position: 0, state: 'running', logBytes: 0, hostsFinal: false },
        { ...plan[1], jobId, position: 1, state: 'pending', logBytes: 0, hostsFinal: false },
        { ...plan[2], jobId, position: 2, state: 'pending', logBytes: 0, hostsFinal: false },
      ]);
    });

    test('is `missing` for a session that does not exist', async () => {
      const plan = stores().store.phases.savePlan('cfs-none', [
        { name: 'x', kind: 'ansible', title: 'x' },
      ]);

      expect(await count([plan])).toEqual({ missing: 1 });
    });
  });

  describe('phases.report', () => {
    test('stores when the phase began, once, and how long its log will be', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      await store.phases.report(jobId, 'ansible-0', { state: 'running', startedAt: at(1) });
      await store.phases.report(jobId, 'ansible-0', {
        state: 'ended',
        startedAt: at(2),
        result: exited,
        logBytes: 77,
      });

      await store.phases.report(jobId, 'ansible-0', {
        state: 'running',
        startedAt: at(3),
        logBytes: 5,
      });

      expect(await store.phases.find(jobId, 'ansible-0')).toMatchObject({
        state: 'pending',
        startedAt: at(1),
        reportedLogBytes: 77,
        reportedResult: exited,
      });
    });

    test('is refused once sealed, and for a phase that does not exist', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      await store.phases.seal(jobId, 'ansible-0', exited, at(21));
      const report = { state: 'running', startedAt: at(1) } as const;

      const reports = [
        store.phases.report(jobId, 'ansible-0', report),
        store.phases.report(jobId, 'ansible-9', report),
        store.phases.report('cfs-none', 'ansible-0', report),
      ];

      expect(await count(reports)).toEqual({ gone: 1, missing: 2 });
    });
  });

  describe('phases.start', () => {
    test('does not bring back what has ended', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      await store.phases.seal(jobId, 'ansible-0', exited, at(21));

      await store.phases.start(jobId, 'ansible-0');

      expect((await store.phases.find(jobId, 'ansible-0'))?.state).toBe('ended');
    });

    test('leaves the session in its later phase if the attempt comes late', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      await store.phases.start(jobId, 'ansible-0');
      await store.phases.seal(jobId, 'ansible-0', exited, at(21));
      await store.phases.start(jobId, 'teardown');

      await store.phases.start(jobId, 'ansible-0');

      expect((await store.sessions.get(jobId))?.phase).toBe('teardown');
    });

    test("is the session's phase, until that is complete", async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      await store.phases.start(jobId, 'inventory');
      await store.phases.start(jobId, 'ansible-0');
      await store.sessions.recordOutcome(jobId, { succeeded: 'true' }, at(5));

      await store.phases.start(jobId, 'inventory');

      expect((await store.sessions.get(jobId))?.phase).toBe('ansible-0');
    });
  });

  describe('phases.seal', () => {
    test('stores result and end once, for one of many callers', async () => {
      const { store, other } = stores();
      const jobId = await addPlannedSession(store);

      const seals = Array.from({ length: 10 }, (_, index) =>
        (index % 2 === 0 ? store : other).phases.seal(jobId, 'ansible-0', exited, at(21)),
      );

      expect(await count(seals)).toEqual({ true: 1, false: 9 });
      expect(await store.phases.find(jobId, 'ansible-0')).toMatchObject({
        state: 'ended',
        result: exited,
        startedAt: at(10),
        endedAt: at(20),
        sealedAt: at(21),
      });
    });

    test('seals no log that has lost a part since it was looked at', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      await store.logs.append(jobId, 'ansible-0', 0, Buffer.from('four'));
      const seal = (bytes: number) => store.phases.seal(jobId, 'ansible-0', exited, at(21), bytes);
      expect(await seal(5)).toBe(false);
      expect(await store.phases.find(jobId, 'ansible-0')).not.toHaveProperty('sealedAt');
      expect(await seal(4)).toBe(true);
    });

    test('ends no phase before it began, although the clocks of job and service differ', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      const lost = { kind: 'killed', reason: 'lost', startedAt: at(3600) } as const;
      await store.phases.seal(jobId, 'ansible-0', lost, at(21));
      expect(await store.phases.find(jobId, 'ansible-0')).toMatchObject({ endedAt: at(3600) });
    });

    test('invents no times for what never ran', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      await store.phases.seal(
        jobId,
        'ansible-0',
        { kind: 'unstarted', reason: 'skipped', message: 'x' },
        at(21),
      );

      const phase = await store.phases.find(jobId, 'ansible-0');

      expect(phase).toMatchObject({ state: 'ended', sealedAt: at(21) });
      expect(phase?.startedAt).toBeUndefined();
      expect(phase?.endedAt).toBeUndefined();
    });
  });

  describe('phases.tellSilence', () => {
    const silence = { task: 'Mount', since: at(1), hosts: 3, names: ['x1', 'x2'], others: 1 };

    test('is shown until it is over, and says when it begins and ends', async () => {
      const { store, other } = stores();
      const jobId = await addPlannedSession(store);
      const tell = (sequence: number, hosts: number) =>
        store.phases.tellSilence(jobId, 'ansible-0', {
          sequence,
          silence: hosts === 0 ? undefined : { ...silence, hosts },
        });
      const heard: unknown[] = [];
      const unsubscribe = store.subscribe((change) => heard.push(change));

      expect(await tell(1, 3)).toEqual({ kind: 'began', begun: 1 });
      expect(await other.phases.silences([jobId, 'cfs-none'])).toEqual(new Map([[jobId, silence]]));
      expect(await store.phases.countSilentHosts()).toBe(4);
      expect((await other.phases.find(jobId, 'ansible-0'))?.silence).toEqual(silence);
      expect(await tell(3, 2)).toBeUndefined();
      expect(heard).toContainEqual({ kind: 'session', jobId });
      // A report that comes late, or again.
      expect(await tell(2, 0)).toBeUndefined();
      expect(await tell(3, 0)).toBeUndefined();
      expect((await store.phases.silences([jobId])).get(jobId)?.hosts).toBe(2);
      expect(await tell(4, 0)).toEqual({ kind: 'ended', begun: 1 });
      expect(await tell(5, 0)).toBeUndefined();
      expect(await store.phases.silences([jobId])).toEqual(new Map());
      expect(await store.phases.countSilentHosts()).toBe(0);
      expect((await store.phases.find(jobId, 'ansible-0'))?.silence).toBeUndefined();
      unsubscribe();
    });

    test('is over with its phase, and with its session', async () => {
      const { store } = stores();
      const [one, two] = [await addPlannedSession(store), await addPlannedSession(store, 'b')];
      for (const jobId of [one, two])
        await store.phases.tellSilence(jobId, 'ansible-0', { sequence: 1, silence });
      expect(await store.phases.countSilentHosts()).toBe(8);

      await store.phases.seal(one, 'ansible-0', exited, at(21));
      await store.sessions.recordOutcome(two, { succeeded: 'false' }, at(21));

      expect(await store.phases.countSilentHosts()).toBe(0);
      expect(await store.phases.silences([one, two])).toEqual(new Map());
      const late = [
        store.phases.tellSilence(one, 'ansible-0', { sequence: 2, silence }),
        store.phases.tellSilence(one, 'ansible-9', { sequence: 2, silence }),
      ];
      expect(await count(late)).toEqual({ gone: 1, missing: 1 });
    });
  });

  describe('phases.hold', () => {
    test('is shown, can be prolonged, and is not replaced by an older one', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      const hold = { since: at(10), until: at(20), command: 'sh' };
      await store.phases.hold(jobId, 'ansible-0', hold, at(10));
      await store.phases.hold(jobId, 'ansible-0', { ...hold, until: at(40) }, at(11));

      const old = { since: at(5), until: at(15), command: 'old' };
      await store.phases.hold(jobId, 'ansible-0', old, at(12));

      const phase = await store.phases.find(jobId, 'ansible-0');
      expect(phase?.hold).toEqual({ since: at(10), until: at(40), command: 'sh' });
    });

    test('is refused once sealed', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      await store.phases.seal(jobId, 'ansible-0', exited, at(21));

      const hold = { since: at(1), until: at(2), command: 'sh' };
      const held = store.phases.hold(jobId, 'ansible-0', hold, at(22));

      expect(await count([held])).toEqual({ gone: 1 });
    });
  });

  describe('phases.endHold', () => {
    const hold = { since: at(10), until: at(60), command: 'sh' };

    test('ends what is held, once', async () => {
      const { store, other } = stores();
      const jobId = await addPlannedSession(store);
      await store.phases.hold(jobId, 'ansible-0', hold, at(10));
      expect(await other.phases.holds([jobId, 'cfs-none'], at(20))).toEqual(
        new Map([[jobId, hold]]),
      );

      expect(await store.phases.endHold(jobId, asks(30))).toEqual({ kind: 'end' });
      expect(await other.phases.endHold(jobId, asks(31))).toEqual({ kind: 'ended' });
      await store.phases.hold(jobId, 'ansible-0', { ...hold, until: at(70) }, at(32));

      const phase = await store.phases.find(jobId, 'ansible-0');
      expect(phase?.hold).toEqual({ ...hold, until: at(70), releasedAt: at(30) });
      expect(await store.phases.holds([jobId], at(20))).toEqual(new Map());
    });

    test('finds nothing if nothing is held, or no longer, or not in this job', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      const second = await addPlannedSession(store, 'b');
      const notHeld = { kind: 'refused', why: 'is not held' };
      expect(await store.phases.endHold(jobId, asks(20))).toEqual(notHeld);
      await store.phases.hold(jobId, 'ansible-0', hold, at(10));

      expect(await store.phases.endHold(second, asks(20))).toEqual(notHeld);
      expect(await store.phases.endHold(jobId, asks(60))).toEqual(notHeld);
      expect(await store.phases.holds([jobId], at(60))).toEqual(new Map());
      await store.phases.seal(jobId, 'ansible-0', exited, at(21));
      expect(await store.phases.endHold(jobId, asks(30))).toEqual(notHeld);
      expect(await store.phases.holds([jobId], at(30))).toEqual(new Map());
    });

    test('by a rerun is once too, and does not end the hold that follows', async () => {
      const { store, other } = stores();
      const jobId = await addPlannedSession(store);
      await store.phases.hold(jobId, 'ansible-0', { ...hold, canRerun: true }, at(10));
      const again = { ...asks(20), rerun: true, since: hold.since };

      const decisions = await Promise.all([
        store.phases.endHold(jobId, again),
        other.phases.endHold(jobId, { ...again, by: 'other' }),
      ]);

      expect(decisions.map(({ kind }) => kind).sort()).toEqual(['end', 'ended']);
      const ended = (await store.phases.find(jobId, 'ansible-0'))?.hold;
      expect(ended).toMatchObject({ canRerun: true, rerun: { at: at(20) } });
      expect(ended).not.toHaveProperty('releasedAt');
      expect(await store.phases.holds([jobId], at(21))).toEqual(new Map());

      await store.phases.hold(jobId, 'ansible-0', { ...hold, until: at(21) }, at(21));
      expect((await store.phases.find(jobId, 'ansible-0'))?.hold?.rerun).toBeDefined();
      const second = { ...hold, since: at(30), canRerun: true } as const;
      await store.phases.hold(jobId, 'ansible-0', second, at(30));
      expect(await store.phases.endHold(jobId, again)).toEqual({ kind: 'ended' });
      expect(await store.phases.holds([jobId], at(31))).toEqual(new Map([[jobId, second]]));
    });

    test('is about the last phase that was held', async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      const names = ['ansible-0', 'ansible-1'];
      const plan = names.map((name) => ({ name, kind: 'ansible', title: name }) as const);
      await store.phases.savePlan(jobId, plan);
      await store.phases.hold(jobId, 'ansible-0', { ...hold, canRerun: true }, at(10));
      await store.phases.endHold(jobId, { ...asks(11), rerun: true });
      await store.phases.hold(jobId, 'ansible-1', { ...hold, since: at(20) }, at(20));

      expect(await store.phases.endHold(jobId, asks(30))).toEqual({ kind: 'end' });

      const phase = await store.phases.find(jobId, 'ansible-1');
      expect(phase?.hold).toMatchObject({ releasedAt: at(30) });
    });
  });
}
