import { describe, expect, test } from '@jest/globals';
import { aLayer, aSnapshot } from '../../support/session-builders.js';
import { aNewSession, at, count } from '../../support/store-builders.js';
import type { Stores } from '../store-contract.js';

const wish = { at: at(60), by: 'ann', reason: 'wrong nodes' };

export function sessionRequestContract(stores: () => Stores): void {
  describe('sessions.insert', () => {
    test('returns the record as it can be read', async () => {
      const { store, other } = stores();
      const given = aNewSession('a', { tags: { owner: 'ann' }, ansibleVerbosity: 2 });

      const inserted = await store.sessions.insert(given);

      expect(inserted).toEqual({
        jobId: given.jobId,
        name: 'a',
        request: given.request,
        createdAt: at(0),
        desired: 'run',
        dispatched: 'none',
        attachOnly: false,
        admissionDue: false,
        external: false,
        state: 'pending',
        artifacts: [],
      });
      expect(await other.sessions.find('a')).toEqual(inserted);
      expect(await other.sessions.get(given.jobId)).toEqual(inserted);
      expect(await other.sessions.find('b')).toBeUndefined();
    });

    test('keeps what was done before a retry, which lists leave out', async () => {
      const { store, other } = stores();
      const layer = { url: 'https://git/a.git', commit: '1'.repeat(40), playbook: 'site.yml' };
      const done = { layers: [layer], partial: { layer, hosts: ['n1', 'ñ2'] } };
      const given = { ...aNewSession('a', { retryOf: 'b', tags: { owner: 'ann' } }), done };

      const inserted = await store.sessions.insert(given);

      expect(inserted).toMatchObject({ request: { retryOf: 'b' }, done });
      expect(await other.sessions.find('a')).toEqual(inserted);
      expect(await other.sessions.get(given.jobId)).toEqual(inserted);
      for (const filter of [{}, { tags: { owner: 'ann' } }]) {
        const { items } = await other.sessions.list(filter, { limit: 1 });
        expect(items).toMatchObject([{ name: 'a', request: { retryOf: 'b' } }]);
        expect(items[0]).not.toHaveProperty('done');
      }
    });

    test('keeps a snapshot that was given, whatever the start of the session resolves', async () => {
      const { store, other } = stores();
      const snapshot = aSnapshot({ layers: [aLayer({ name: 'ñ' })] });
      const given = { ...aNewSession('a', { applyOf: 'b' }), snapshot };

      const inserted = await store.sessions.insert(given);

      expect(inserted).toMatchObject({ request: { applyOf: 'b' }, snapshot });
      expect(await other.sessions.find('a')).toEqual(inserted);
      await other.sessions.claim(given.jobId, { at: at(1) });
      const late = aSnapshot({ layers: [] });
      expect(await other.sessions.saveSnapshot(given.jobId, late)).toEqual(snapshot);
      expect((await store.sessions.get(given.jobId))?.snapshot).toEqual(snapshot);
    });

    test('takes one of many of the same name', async () => {
      const { store, other } = stores();
      const inserts = Array.from({ length: 20 }, async (_, index) => {
        const session = { ...aNewSession('a'), jobId: `cfs-a-${index}` };
        await (index % 2 === 0 ? store : other).sessions.insert(session);
      });

      expect(await count(inserts)).toEqual({ undefined: 1, conflict: 19 });
    });

    test('refuses a name that is taken, in the words of the API, and stores nothing', async () => {
      const { store } = stores();
      await store.sessions.insert(aNewSession('a', { ansibleLimit: 'first' }));
      const second = { ...aNewSession('a', { ansibleLimit: 'second' }), jobId: 'cfs-a-second' };

      await expect(store.sessions.insert(second)).rejects.toMatchObject({
        fault: 'conflict',
        title: 'Conflicting session name',
        message: 'A session with the name a already exists',
      });
      expect((await store.sessions.find('a'))?.request.ansibleLimit).toBe('first');
      expect(await store.sessions.get('cfs-a-second')).toBeUndefined();
    });
  });

  describe('sessions.requestCancel', () => {
    test('completes at once a session that nobody has claimed', async () => {
      const { store } = stores();
      await store.sessions.insert(aNewSession('a'));

      const session = await store.sessions.requestCancel('a', wish);

      expect(session).toMatchObject({
        desired: 'cancel',
        cancelBy: 'ann',
        cancelReason: 'wrong nodes',
        state: 'complete',
        completedAt: wish.at,
        outcome: { succeeded: 'false', reason: 'CANCELLED' },
      });
      expect(session.outcome?.message).toBe('Cancelled by ann before it started: wrong nodes');
    });

    test.each(['pending', 'running'])(
      'leaves what is claimed and %s to its workflow',
      async (state) => {
        const { store } = stores();
        const { jobId } = await store.sessions.insert(aNewSession('a'));
        await store.sessions.claim(jobId, { at: at(1) });
        if (state === 'running') await store.sessions.markRunning(jobId);

        const session = await store.sessions.requestCancel('a', wish);

        expect(session).toMatchObject({ desired: 'cancel', state, cancelBy: 'ann' });
        expect(session.outcome).toBeUndefined();
      },
    );

    test('leaves to a workflow what a restored record may lack: that somebody has claimed it', async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      await store.sweep.attachOnly();

      const session = await store.sessions.requestCancel('a', wish);

      expect(session).toMatchObject({ desired: 'cancel', state: 'pending' });
      await store.sessions.requestDelete('a', wish);
      expect(await store.sessions.get(jobId)).toMatchObject({
        desired: 'delete',
        state: 'pending',
      });
    });

    test('completes at once a restored session of an external operator, which has no workflow', async () => {
      const { store } = stores();
      await store.sessions.insert({ ...aNewSession('a'), external: true });
      await store.sweep.attachOnly();

      expect(await store.sessions.requestCancel('a', wish)).toMatchObject({ state: 'complete' });
    });

    test('keeps who cancelled first', async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      await store.sessions.claim(jobId, { at: at(1) });
      await store.sessions.requestCancel('a', wish);

      const again = await store.sessions.requestCancel('a', {
        at: at(70),
        by: 'bob',
        reason: 'me too',
      });

      expect(again).toMatchObject({
        desired: 'cancel',
        cancelBy: 'ann',
        cancelReason: 'wrong nodes',
      });
    });

    test('may be repeated when the first has ended the session', async () => {
      const { store } = stores();
      await store.sessions.insert(aNewSession('a'));
      const first = await store.sessions.requestCancel('a', wish);

      expect(await store.sessions.requestCancel('a', { at: at(70) })).toEqual(first);
    });

    test('refuses what is complete, and what does not exist', async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      await store.sessions.recordOutcome(jobId, { succeeded: 'true' }, at(5));

      await store.sessions.insert(aNewSession('deleted'));
      await store.sessions.requestDelete('deleted', wish);
      const cancels = ['a', 'b', 'deleted'].map((name) => store.sessions.requestCancel(name, wish));

      expect(await count(cancels)).toEqual({ conflict: 1, missing: 2 });
      expect((await store.sessions.get(jobId))?.desired).toBe('run');
    });

    test('either ends a session before its claim or leaves it to the workflow', async () => {
      const { store, other } = stores();
      for (let round = 0; round < 20; round += 1) {
        const { jobId } = await store.sessions.insert(aNewSession(`a${round}`));

        const [cancelled, claimed] = await Promise.all([
          store.sessions.requestCancel(`a${round}`, wish),
          other.sessions.claim(jobId, { at: at(1) }),
        ]);

        const wasFirst = claimed.claimedAt === undefined;
        expect(claimed.state).toBe(wasFirst ? 'complete' : 'pending');
        expect(cancelled.state).toBe(wasFirst ? 'complete' : 'pending');
      }
    });
  });

  describe('sessions.requestHold', () => {
    const claim = { at: at(10), machine: 'm' };
    const external = { external: true };

    test('is recorded once, and the rest of the request stays', async () => {
      const { store, other } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a', { tags: { owner: 'ann' } }));
      await store.sessions.claim(jobId, claim);
      const requests = [store, other, store].map((each) => each.sessions.requestHold('a'));

      for (const held of await Promise.all(requests))
        expect(held).toMatchObject({ jobId, request: { debugOnFailure: true, name: 'a' } });
      expect(await other.sessions.get(jobId)).toMatchObject({
        request: { debugOnFailure: true, tags: { owner: 'ann' } },
        claimedAt: at(10),
      });
    });

    test('is a conflict if nothing of the session can be held', async () => {
      const { store, other } = stores();
      await store.sessions.insert({ ...aNewSession('outside'), ...external });
      await store.sessions.insert(aNewSession('cancelled'));
      const running = await store.sessions.insert(aNewSession('stopping'));
      await store.sessions.claim(running.jobId, claim);
      for (const name of ['cancelled', 'stopping']) await store.sessions.requestCancel(name, wish);
      const packaging = await store.sessions.insert(aNewSession('packaging'));
      await store.sessions.recordTeardown(packaging.jobId, at(11));
      const brief = await store.sessions.insert(aNewSession('brief'));
      const options = { debugWaitTime: 0, defaultPlaybook: 'site.yml' };
      await store.sessions.saveSnapshot(brief.jobId, aSnapshot({ options }));

      for (const [name, why] of [
        ['outside', 'external operator'],
        ['cancelled', 'is complete'],
        ['stopping', 'is cancelled'],
        ['brief', 'debug_wait_time was 0'],
        ['packaging', 'finishing its images'],
      ] as const)
        await expect(other.sessions.requestHold(name)).rejects.toMatchObject({
          fault: 'conflict',
          message: expect.stringContaining(why),
        });
      expect(await store.sessions.get(running.jobId)).toMatchObject({
        request: { debugOnFailure: false },
      });
      await expect(store.sessions.requestHold('nobody')).rejects.toMatchObject({
        fault: 'missing',
      });
    });
  });

  describe('sessions.requestDelete', () => {
    test('hides the record and frees its name', async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));

      await store.sessions.requestDelete('a', wish);

      expect(await store.sessions.find('a')).toBeUndefined();
      expect((await store.sessions.list({}, { limit: 10 })).items).toEqual([]);
      expect(await store.sessions.get(jobId)).toMatchObject({
        desired: 'delete',
        deletedAt: wish.at,
        state: 'complete',
        outcome: { succeeded: 'false', reason: 'CANCELLED' },
      });
      const next = await store.sessions.insert({ ...aNewSession('a'), jobId: 'cfs-a-next' });
      expect(await store.sessions.find('a')).toEqual(next);
    });

    test('does not touch the outcome of what is complete', async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      await store.sessions.recordOutcome(jobId, { succeeded: 'true' }, at(5));

      await store.sessions.requestDelete('a', wish);

      const session = await store.sessions.get(jobId);
      expect(session).toMatchObject({
        desired: 'delete',
        outcome: { succeeded: 'true' },
        completedAt: at(5),
      });
      expect(session?.cancelBy).toBeUndefined();
    });

    test.each(['pending', 'running'])('cancels what is claimed and %s', async (state) => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      await store.sessions.claim(jobId, { at: at(1) });
      if (state === 'running') await store.sessions.markRunning(jobId);

      await store.sessions.requestDelete('a', wish);

      expect(await store.sessions.get(jobId)).toMatchObject({
        desired: 'delete',
        state,
        cancelBy: 'ann',
      });
    });

    test('succeeds for one of many', async () => {
      const { store, other } = stores();
      await store.sessions.insert(aNewSession('a'));
      const deletes = Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? store : other).sessions.requestDelete('a', wish),
      );

      expect(await count(deletes)).toEqual({ undefined: 1, missing: 19 });
    });
  });

  describe('sessions.requestDeletePending', () => {
    test('deletes what is pending and nothing that has begun', async () => {
      const { store } = stores();
      await store.sessions.insert(aNewSession('pending'));
      const { jobId } = await store.sessions.insert(aNewSession('running'));
      await store.sessions.claim(jobId, { at: at(1) });
      await store.sessions.markRunning(jobId);

      await store.sessions.requestDeletePending('pending', wish);
      const refused = store.sessions.requestDeletePending('running', wish);

      await expect(refused).rejects.toMatchObject({ fault: 'missing' });
      expect(await store.sessions.find('pending')).toBeUndefined();
      expect(await store.sessions.find('running')).toMatchObject({ desired: 'run' });
    });
  });

  describe('an external session', () => {
    const external = (name: string) => ({ ...aNewSession(name), external: true });

    test('says so, and is never a wish', async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(external('a'));

      expect(await store.sessions.get(jobId)).toMatchObject({ external: true, state: 'pending' });
      const take = { now: at(1), leaseUntil: at(31), limit: 10 };
      expect(await store.sessions.takeWishes(take)).toEqual([]);
      expect(await store.sessions.countWishes()).toBe(0);
      expect(await store.sessions.nextWishAt()).toBeUndefined();
    });

    test('is complete as soon as it is cancelled or deleted, running or not', async () => {
      const { store } = stores();
      const jobIds = new Map<string, string>();
      for (const name of ['pending', 'running', 'deleted']) {
        const { jobId } = await store.sessions.insert(external(name));
        jobIds.set(name, jobId);
        if (name !== 'pending') await store.sessions.markRunning(jobId);
      }

      expect(await store.sessions.requestCancel('pending', wish)).toMatchObject({
        state: 'complete',
        outcome: { message: 'Cancelled by ann before it started: wrong nodes' },
      });
      expect(await store.sessions.requestCancel('running', wish)).toMatchObject({
        state: 'complete',
        outcome: {
          succeeded: 'false',
          reason: 'CANCELLED',
          message: 'Cancelled by ann; this does not stop what its operator runs: wrong nodes',
        },
      });
      await store.sessions.requestDelete('deleted', wish);
      expect(await store.sessions.get(jobIds.get('deleted') ?? '')).toMatchObject({
        state: 'complete',
        deletedAt: wish.at,
      });
      expect(await store.sessions.countWishes()).toBe(0);
    });
  });

  describe('sessions.deleteMany', () => {
    test('deletes what matches and names it, sorted', async () => {
      const { store } = stores();
      for (const name of ['c', 'a', 'b', 'kept']) {
        await store.sessions.insert(aNewSession(name, { tags: { kept: String(name === 'kept') } }));
      }

      expect(await store.sessions.deleteMany({ tags: { kept: 'false' } }, wish)).toEqual([
        'a',
        'b',
        'c',
      ]);
      expect((await store.sessions.list({}, { limit: 10 })).items.map(({ name }) => name)).toEqual([
        'kept',
      ]);
      expect(await store.sessions.deleteMany({ tags: { kept: 'false' } }, wish)).toEqual([]);
    });

    test('deletes more than fit into one transaction', async () => {
      const { store } = stores();
      const names = Array.from({ length: 5_001 }, (_, index) => `s${index}`);
      // No more at a time than the pool takes, however slow the machine is.
      for (let first = 0; first < names.length; first += 20) {
        const some = names.slice(first, first + 20);
        await Promise.all(some.map((name) => store.sessions.insert(aNewSession(name))));
      }

      expect(await store.sessions.deleteMany({ nameContains: 's' }, wish)).toEqual(names.sort());
    });

    test('tells each name to one caller only', async () => {
      const { store, other } = stores();
      const names = Array.from({ length: 30 }, (_, index) => `s${String(index).padStart(2, '0')}`);
      for (const name of names) await store.sessions.insert(aNewSession(name));

      const answers = await Promise.all(
        Array.from({ length: 6 }, (_, index) =>
          (index % 2 === 0 ? store : other).sessions.deleteMany({}, wish),
        ),
      );

      expect(answers.flat().sort()).toEqual(names);
    });
  });
}
