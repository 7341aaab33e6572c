import { describe, expect, test } from '@jest/globals';
import type { Outcome } from '../../../src/core/session.js';
import { aSnapshot } from '../../support/session-builders.js';
import { addPlannedSession, aNewSession, at, count } from '../../support/store-builders.js';
import type { Stores } from '../store-contract.js';

const outcome: Outcome = {
  succeeded: 'false',
  reason: 'TASK_FAILED',
  message: 'site.yml: task "x" failed on n1',
  phase: 'ansible-0',
  host: 'n1',
  task: 'x',
};

export function sessionProgressContract(stores: () => Stores): void {
  const add = async (name = 'a') => (await stores().store.sessions.insert(aNewSession(name))).jobId;

  describe('sessions.noteCancel', () => {
    test('raises the wish, and adds who and why if they are not known', async () => {
      const { store } = stores();
      const jobId = await add();

      await store.sessions.noteCancel(jobId, { at: at(1) });
      const session = await store.sessions.noteCancel(jobId, {
        at: at(2),
        by: 'ann',
        reason: 'late',
      });

      expect(session).toMatchObject({
        desired: 'cancel',
        state: 'pending',
        cancelBy: 'ann',
        cancelReason: 'late',
      });
      const third = await store.sessions.noteCancel(jobId, {
        at: at(3),
        by: 'bob',
        reason: 'me too',
      });
      expect(third).toEqual(session);
    });

    test('does not lower a delete, nor touch what is complete', async () => {
      const { store } = stores();
      const [deleted, complete] = [await add('a'), await add('b')];
      await store.sessions.claim(deleted, { at: at(1) });
      await store.sessions.requestDelete('a', { at: at(2) });
      await store.sessions.recordOutcome(complete, { succeeded: 'true' }, at(2));

      expect((await store.sessions.noteCancel(deleted, { at: at(3) })).desired).toBe('delete');
      expect((await store.sessions.noteCancel(complete, { at: at(3) })).desired).toBe('run');
    });
  });

  describe('sessions.claim', () => {
    test.each([0, 1])('is written once, the machine too, of %d places', async (places) => {
      const { store } = stores();
      await store.options.patch({ maxRunningSessions: places });
      const jobId = await add();

      const first = await store.sessions.claim(jobId, { at: at(1), machine: 'one' });
      const second = await store.sessions.claim(jobId, { at: at(2), machine: 'two' });

      expect(first).toMatchObject({ claimedAt: at(1), machine: 'one' });
      expect(second).toEqual(first);
    });

    test('does not touch what is complete', async () => {
      const { store } = stores();
      const jobId = await add();
      await store.sessions.recordOutcome(jobId, outcome, at(1));

      const session = await store.sessions.claim(jobId, { at: at(2), machine: 'one' });

      expect(session).toMatchObject({ state: 'complete', outcome });
      expect(session.claimedAt).toBeUndefined();
    });

    test('is `missing` for a session that does not exist', async () => {
      expect(await count([stores().store.sessions.claim('cfs-none', { at: at(1) })])).toEqual({
        missing: 1,
      });
    });
  });

  describe('sessions.saveSnapshot', () => {
    test('keeps the first of many', async () => {
      const { store, other } = stores();
      const jobId = await add();
      const saved = await Promise.all(
        ['one', 'two', 'three', 'four'].map((configurationName, index) =>
          (index % 2 === 0 ? store : other).sessions.saveSnapshot(
            jobId,
            aSnapshot({ configurationName }),
          ),
        ),
      );

      const stored = (await store.sessions.get(jobId))?.snapshot;
      expect(saved).toEqual([stored, stored, stored, stored]);
      expect(await count([store.sessions.saveSnapshot('cfs-none', aSnapshot())])).toEqual({
        missing: 1,
      });
    });
  });

  describe('sessions.markRunning', () => {
    test('is true as long as the session may run', async () => {
      const { store } = stores();
      const jobId = await add();

      expect(await store.sessions.markRunning(jobId)).toBe(true);
      expect(await store.sessions.markRunning(jobId)).toBe(true);
      expect((await store.sessions.get(jobId))?.state).toBe('running');
    });

    test('is false when cancelled, stopped or complete', async () => {
      const { store } = stores();
      const [cancelled, stopped, complete] = [await add('a'), await add('b'), await add('c')];
      await store.sessions.noteCancel(cancelled, { at: at(1) });
      await store.sessions.recordStop(stopped, at(1));
      await store.sessions.recordOutcome(complete, outcome, at(1));

      expect(await store.sessions.markRunning(cancelled)).toBe(false);
      expect(await store.sessions.markRunning(stopped)).toBe(false);
      expect(await store.sessions.markRunning(complete)).toBe(false);
      expect((await store.sessions.get(cancelled))?.state).toBe('pending');
    });
  });

  describe('sessions.recordLaunch', () => {
    test('is won by one of many, and all learn which one', async () => {
      const { store, other } = stores();
      const jobId = await add();

      const launches = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          (index % 2 === 0 ? store : other).sessions.recordLaunch(jobId, {
            at: at(index),
            incarnation: `i${index}`,
          }),
        ),
      );

      const winners = launches.flatMap(({ won }, index) => (won ? [`i${index}`] : []));
      expect(winners).toHaveLength(1);
      expect(new Set(launches.map(({ session }) => session.incarnation))).toEqual(new Set(winners));
      expect(await store.sessions.get(jobId)).toMatchObject({
        state: 'running',
        incarnation: winners[0],
      });
    });

    test('is lost when cancelled, deleted, stopped or complete', async () => {
      const { store } = stores();
      const ids = [await add('a'), await add('b'), await add('c'), await add('d')] as const;
      await store.sessions.noteCancel(ids[0], { at: at(1) });
      await store.sessions.requestDelete('b', { at: at(1) });
      await store.sessions.recordStop(ids[2], at(1));
      await store.sessions.recordOutcome(ids[3], outcome, at(1));

      for (const jobId of ids) {
        const { won, session } = await store.sessions.recordLaunch(jobId, {
          at: at(2),
          incarnation: 'late',
        });
        expect(won).toBe(false);
        expect(session.launchedAt).toBeUndefined();
        expect(session.incarnation).toBeUndefined();
      }
    });

    test('is lost by a machine that the session was taken from, whoever has it by then', async () => {
      const { store, other } = stores();
      for (let round = 0; round < 10; round += 1) {
        const jobId = await add(`a${round}`);
        await store.sessions.claim(jobId, { at: at(1), machine: 'm' });
        const late = { at: at(2), incarnation: 'late', machine: 'm' };

        const launching = () => store.sessions.recordLaunch(jobId, late);
        const taking = () => other.sessions.unclaim(jobId, 'm');
        // SQLite takes them in the order of the calls.
        const early = round % 2 === 0 ? launching() : undefined;
        const [isTaken, launch] = await Promise.all([taking(), early ?? launching()]);

        expect(isTaken).toBe(!launch.won);
        expect((await store.sessions.recordLaunch(jobId, late)).won).toBe(false);
        const { machine } = await store.sessions.claim(jobId, { at: at(3), machine: 'n' });
        expect(machine).toBe(isTaken ? 'n' : 'm');
        if (!isTaken) continue;
        expect((await store.sessions.recordLaunch(jobId, late)).won).toBe(false);
        const next = { at: at(4), incarnation: 'next', machine: 'n' };
        expect((await store.sessions.recordLaunch(jobId, next)).won).toBe(true);
      }
    });

    test('at the same time as a stop: if the stop comes first, nothing may run', async () => {
      const { store, other } = stores();
      for (let round = 0; round < 20; round += 1) {
        const jobId = await add(`a${round}`);

        const [launch] = await Promise.all([
          store.sessions.recordLaunch(jobId, { at: at(1), incarnation: 'x' }),
          other.sessions.recordStop(jobId, at(1)),
        ]);

        const session = await store.sessions.get(jobId);
        expect(session?.stoppedAt).toBe(at(1));
        expect(session?.launchedAt !== undefined).toBe(launch.won);
        expect(launch.won && launch.session.stoppedAt !== undefined).toBe(false);
      }
    });
  });

  describe('sessions.unclaim', () => {
    test('leaves a session to its machine if it may have been launched, or may never be', async () => {
      const { store } = stores();
      const ids = [await add('a'), await add('b'), await add('c'), await add('d')] as const;
      const claim = { at: at(1), machine: 'm' };
      for (const jobId of ids) await store.sessions.claim(jobId, claim);
      expect(await store.sessions.unclaim(ids[0], 'n')).toBe(false);
      await store.sessions.recordLaunch(ids[0], { ...claim, incarnation: 'i' });
      await store.sessions.recordStop(ids[1], at(2));
      await store.sessions.recordOutcome(ids[2], outcome, at(2));
      await store.sweep.attachOnly();
      for (const jobId of ids) {
        expect(await store.sessions.unclaim(jobId, 'm')).toBe(false);
        expect((await store.sessions.get(jobId))?.machine).toBe('m');
      }
    });
  });

  describe('sessions.recordStop', () => {
    test('is written once', async () => {
      const { store } = stores();
      const jobId = await add();

      await store.sessions.recordStop(jobId, at(1));
      await store.sessions.recordStop(jobId, at(2));

      expect((await store.sessions.get(jobId))?.stoppedAt).toBe(at(1));
    });
  });

  describe('sessions.recordTeardown', () => {
    test('is recorded once, and from then on it is too late to cancel: a signal is only noted', async () => {
      const { store } = stores();
      const jobId = await add();
      await store.sessions.claim(jobId, { at: at(1) });
      expect(await store.sessions.recordTeardown(jobId, at(2))).toBe(true);
      expect(await store.sessions.recordTeardown(jobId, at(3))).toBe(true);
      await expect(store.sessions.requestCancel('a', { at: at(4) })).rejects.toMatchObject({
        fault: 'conflict',
        message: expect.stringContaining('finishing its images'),
      });
      expect(await store.sessions.noteCancel(jobId, { at: at(4), by: 'ann' })).toMatchObject({
        desired: 'run',
        cancelBy: 'ann',
        teardownAt: at(2),
      });
    });

    test('is not recorded after a cancel', async () => {
      const { store } = stores();
      const jobId = await add();
      await store.sessions.claim(jobId, { at: at(1) });
      await store.sessions.requestCancel('a', { at: at(2) });
      expect(await store.sessions.recordTeardown(jobId, at(3))).toBe(false);
    });

    test('at the same time as a cancel: one of them comes first, and the other is refused', async () => {
      const { store } = stores();
      for (let round = 0; round < 10; round += 1) {
        const jobId = await add(`race-${round}`);
        await store.sessions.claim(jobId, { at: at(1) });
        const [teardown, cancel] = await Promise.allSettled([
          store.sessions.recordTeardown(jobId, at(2)),
          store.sessions.requestCancel(`race-${round}`, { at: at(2) }),
        ]);
        const isTooLate = cancel.status === 'rejected';
        expect(teardown).toEqual({ status: 'fulfilled', value: isTooLate });
      }
    });
  });

  describe('sessions.addArtifact', () => {
    test('takes one for each image, even if many come at once', async () => {
      const { store } = stores();
      const jobId = await add();
      const artifacts = Array.from({ length: 10 }, (_, index) => ({
        ...{ imageId: `i${index}`, resultId: `r${index}`, type: 'ims_customized_image' as const },
      }));
      await Promise.all(
        [...artifacts, ...artifacts].map((artifact) => store.sessions.addArtifact(jobId, artifact)),
      );
      const stored = (await store.sessions.get(jobId))?.artifacts ?? [];
      expect(stored).toHaveLength(10);
      expect(stored).toEqual(expect.arrayContaining(artifacts));
    });

    test('keeps the first artifact of an image, and the IMS job that was recorded', async () => {
      const { store } = stores();
      const jobId = await add();
      const artifact = { imageId: 'i', type: 'ims_customized_image' } as const;
      await store.sessions.addArtifact(jobId, { ...artifact, resultId: 'r1' });
      await store.sessions.addArtifact(jobId, { ...artifact, resultId: 'r2' });
      await store.sessions.recordImsJob(jobId, 'j1');
      expect(await store.sessions.get(jobId)).toMatchObject({
        artifacts: [{ resultId: 'r1' }],
        imsJob: 'j1',
      });
    });
  });

  describe('sessions.recordWait', () => {
    const wait = { since: at(1), message: 'Waiting: HSM', phase: 'inventory' };
    const read = async (jobId: string) =>
      (await stores().store.sessions.get(jobId))?.waiting?.message;

    test('lasts until it ends, another one is recorded, or the session continues', async () => {
      const { sessions } = stores().store;
      const jobId = await add();
      await sessions.recordWait(jobId, wait);
      expect((await sessions.get(jobId))?.waiting).toEqual(wait);
      await sessions.recordWaitEnd(jobId, { ...wait, message: 'Waiting: git' });
      expect(await read(jobId)).toBe('Waiting: HSM');
      await sessions.recordWaitEnd(jobId, wait);
      expect(await read(jobId)).toBeUndefined();

      await sessions.recordWait(jobId, wait);
      await sessions.recordLaunch(jobId, { at: at(2), incarnation: 'i' });
      expect(await read(jobId)).toBeUndefined();
    });

    test('is ignored if the step that records it is over', async () => {
      const { sessions, phases } = stores().store;
      const jobId = await add();
      await sessions.recordLaunch(jobId, { at: at(2), incarnation: 'i' });
      await sessions.recordWait(jobId, wait);
      expect(await read(jobId)).toBeUndefined();
      await phases.start(jobId, 'inventory');
      await sessions.recordWait(jobId, wait);
      await phases.start(jobId, 'inventory');
      expect(await read(jobId)).toBe('Waiting: HSM');
      await phases.start(jobId, 'ansible-0');
      expect(await read(jobId)).toBeUndefined();
      await sessions.recordOutcome(jobId, outcome, at(3));
      await sessions.recordWait(jobId, { ...wait, phase: 'ansible-0' });
      expect(await read(jobId)).toBeUndefined();
    });
  });

  describe('sessions.recordOutcome', () => {
    test('ends a session when it began, if the clock was set back meanwhile', async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('back', { createdAt: at(60) }));
      await store.sessions.recordOutcome(jobId, { succeeded: 'true' }, at(0));
      expect(await store.sessions.get(jobId)).toMatchObject({ completedAt: at(60) });
    });

    test('is written once, by one of many', async () => {
      const { store, other } = stores();
      const jobId = await add();

      const records = Array.from({ length: 10 }, (_, index) =>
        (index % 2 === 0 ? store : other).sessions.recordOutcome(jobId, outcome, at(index)),
      );

      expect(await count(records)).toEqual({ true: 1, false: 9 });
      expect(await store.sessions.recordOutcome(jobId, { succeeded: 'true' }, at(60))).toBe(false);
      expect(await store.sessions.get(jobId)).toMatchObject({ state: 'complete', outcome });
    });

    test('keeps a plain success plain', async () => {
      const { store } = stores();
      const jobId = await add();

      await store.sessions.recordOutcome(jobId, { succeeded: 'true' }, at(5));

      expect((await store.sessions.get(jobId))?.outcome).toEqual({ succeeded: 'true' });
    });

    test('seals what has no result yet as skipped', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);

      await store.sessions.recordOutcome(jobId, outcome, at(5));

      expect(await store.phases.list(jobId)).toMatchObject([
        { state: 'ended', sealedAt: at(5), result: { kind: 'unstarted', reason: 'skipped' } },
      ]);
    });
  });
}
