import { describe, expect, test } from '@jest/globals';
import type { Session } from '../../../src/core/session.js';
import type { Store } from '../../../src/store/store.js';
import { aNewSession, at } from '../../support/store-builders.js';
import type { Stores } from '../store-contract.js';

const idOf = (name: string) => `cfs-${name}-0123abcd`;

/** Inserts and claims a session that asks for hosts. Returns whether it has them. */
async function come(store: Store, name: string, hosts: readonly string[]): Promise<boolean> {
  await store.sessions.insert(aNewSession(name));
  await store.sessions.recordDispatched(idOf(name), 'started');
  await store.sessions.claim(idOf(name), { at: at(0) });
  return ask(store, name, hosts);
}

async function ask(store: Store, name: string, hosts: readonly string[]): Promise<boolean> {
  const request = { hosts, at: at(1), since: at(1) };
  const { admittedAt } = await store.admission.requestHosts(idOf(name), request);
  return admittedAt !== undefined;
}

const launch = (store: Store, name: string) =>
  store.sessions.recordLaunch(idOf(name), { at: at(2), incarnation: name });

const end = (store: Store, name: string) =>
  store.sessions.recordOutcome(idOf(name), { succeeded: 'true' }, at(1000));

const find = async (store: Store, name: string): Promise<Partial<Session>> =>
  (await store.sessions.get(idOf(name))) ?? {};

export function hostLockContract(stores: () => Stores): void {
  describe('locked hosts', () => {
    test('are granted at once if they are free, and waited for otherwise', async () => {
      const { store, other } = stores();
      await store.options.patch({ hostLocks: true });
      expect(await come(store, 'a', ['x1', 'x2'])).toBe(true);
      expect(await come(store, 'b', ['x3'])).toBe(true);
      expect(await come(other, 'c', ['x0', 'x1', 'x2'])).toBe(false);
      expect(await store.admission.countBehind()).toBe(1);
      expect(await store.admission.countQueued()).toBe(0);
      expect(await find(store, 'c')).toMatchObject({
        waitsFor: idOf('a'),
        waiting: {
          since: at(1),
          message:
            'Waiting: session a comes first on x1 and 1 other host (option host_locks); that has to end before this one starts.',
        },
      });
      await end(other, 'b');
      expect(await find(store, 'c')).toMatchObject({ waitsFor: idOf('a') });
      await end(other, 'a');
      const free = await find(store, 'c');
      expect(free).toMatchObject({ admittedAt: at(1000), admissionDue: true });
      expect(free).not.toHaveProperty('waitsFor');
      expect(free).not.toHaveProperty('waiting');
      expect(await ask(store, 'c', ['x0', 'x1', 'x2'])).toBe(true);
    });

    test('stay locked while their session is held, and sessions that wait say so, and how the hold can end', async () => {
      const { store, other } = stores();
      await store.options.patch({ hostLocks: true });
      const toMessage = async (name: string) => (await find(store, name)).waiting?.message;
      await come(store, 'a', ['x1']);
      await come(store, 'b', ['x1']);
      await launch(store, 'a');
      const phase = { name: 'ansible-0', kind: 'ansible', title: 'ansible-0' } as const;
      await store.phases.savePlan(idOf('a'), [phase]);
      const seen: unknown[] = [];
      store.subscribe((change) => seen.push(change));

      const hold = { since: at(10), until: at(60), command: 'sh' };
      await store.phases.hold(idOf('a'), 'ansible-0', hold, at(10));

      const held = `Waiting: session a comes first on x1 (option host_locks); it has failed and is held until ${at(60)} (debug_on_failure). Release or cancel it, and this one starts.`;
      expect(await find(store, 'b')).toMatchObject({
        waitsFor: idOf('a'),
        waiting: { since: at(1), message: held },
      });
      expect(seen).toContainEqual({ kind: 'session', jobId: idOf('b') });
      await store.sessions.insert(aNewSession('c'));
      await store.admission.requestHosts(idOf('c'), { hosts: ['x1'], at: at(11), since: at(11) });
      expect(await toMessage('c')).toContain(
        'session b comes first on x1 (option host_locks); that',
      );

      await other.phases.endHold(idOf('a'), { at: at(20), by: 'api', rerun: false });
      expect(await toMessage('b')).toContain(
        'session a comes first on x1 (option host_locks); that',
      );
      // A later failure holds the phase again. That hold ends by itself, in the job.
      await store.phases.hold(idOf('a'), 'ansible-0', { ...hold, since: at(30) }, at(30));
      expect(await toMessage('b')).toBe(held);
      const over = { ...hold, since: at(30), until: at(40) };
      await store.phases.hold(idOf('a'), 'ansible-0', over, at(40));
      expect(await toMessage('b')).not.toContain('held');
      await end(store, 'a');
      expect(await find(store, 'b')).not.toHaveProperty('waitsFor');
    });

    test('wake the dispatch loop when they become free', async () => {
      const { store } = stores();
      await store.options.patch({ hostLocks: true });
      await come(store, 'a', ['x1']);
      await come(store, 'b', ['x1']);
      const seen: unknown[] = [];
      store.subscribe((change) => seen.push(change));
      await end(store, 'a');
      expect(seen).toContainEqual({ kind: 'wish' });
      expect(seen).toContainEqual({ kind: 'session', jobId: idOf('b') });
    });

    test('are granted in the order of requests, even if the host itself is free', async () => {
      const { store } = stores();
      await store.options.patch({ hostLocks: true });
      expect(await come(store, 'a', ['x1'])).toBe(true);
      expect(await come(store, 'b', ['x1', 'x2'])).toBe(false);
      expect(await come(store, 'c', ['x2', 'x3'])).toBe(false);
      expect(await come(store, 'd', ['x4'])).toBe(true);
      expect(await find(store, 'c')).toMatchObject({ waitsFor: idOf('b') });
      // A waiting session that is cancelled blocks nobody.
      await end(store, 'b');
      expect(await find(store, 'c')).not.toHaveProperty('waitsFor');
      expect(await ask(store, 'c', ['x2', 'x3'])).toBe(true);
    });

    test('are waited for from the next session that goes first when one ends', async () => {
      const { store } = stores();
      await store.options.patch({ hostLocks: true });
      await come(store, 'a', ['x1']);
      await come(store, 'b', ['x2']);
      await come(store, 'c', ['x1', 'x2']);
      expect(await find(store, 'c')).toMatchObject({ waitsFor: idOf('b') });
      await end(store, 'b');
      expect(await find(store, 'c')).toMatchObject({
        waitsFor: idOf('a'),
        waiting: {
          since: at(1),
          message: expect.stringContaining('session a comes first on x1 ('),
        },
      });
      await end(store, 'a');
      expect(await ask(store, 'c', ['x1', 'x2'])).toBe(true);
    });

    test('may change when a session asks again, which keeps its turn and waits for the one that has them', async () => {
      const { store } = stores();
      await store.options.patch({ hostLocks: true });
      await come(store, 'a', ['x1']);
      await come(store, 'b', ['x1']);
      await come(store, 'c', ['x2']);
      await come(store, 'd', ['x2']);
      await end(store, 'a');
      // Its turn is before that of c, but c already has the host.
      expect(await ask(store, 'b', ['x1', 'x2'])).toBe(false);
      expect(await find(store, 'b')).toMatchObject({ waitsFor: idOf('c') });
      await end(store, 'c');
      expect(await ask(store, 'b', ['x1', 'x2'])).toBe(true);
      expect(await ask(store, 'd', ['x2'])).toBe(false);
    });

    test('are not granted ahead of a session that asked earlier and waits on', async () => {
      const { store } = stores();
      await store.options.patch({ hostLocks: true });
      await come(store, 'a', ['x1']);
      await come(store, 'b', ['x1', 'x2']);
      await come(store, 'c', ['x2']);
      await come(store, 'd', ['x3']);
      expect(await ask(store, 'c', ['x2', 'x3'])).toBe(false);
      expect(await find(store, 'c')).toMatchObject({ waitsFor: idOf('d') });
      await end(store, 'd');
      expect(await find(store, 'c')).toMatchObject({ waitsFor: idOf('b') });
    });

    test('stay with their session when it asks again, even if one with an earlier turn waits for them', async () => {
      const { store } = stores();
      await store.options.patch({ hostLocks: true });
      await come(store, 'a', ['x1']);
      await come(store, 'b', ['x1']);
      await come(store, 'c', ['x2', 'x3']);
      // It asks for more, because hosts may have joined a group while it waited.
      await ask(store, 'b', ['x1', 'x2']);
      await end(store, 'a');
      expect(await find(store, 'b')).toMatchObject({ waitsFor: idOf('c') });
      expect(await ask(store, 'c', ['x2'])).toBe(true);
      expect(await ask(store, 'b', ['x1', 'x2'])).toBe(false);
      await end(store, 'c');
      expect(await ask(store, 'b', ['x1', 'x2'])).toBe(true);
    });

    test('are never waited for in a circle', async () => {
      const { store } = stores();
      await store.options.patch({ hostLocks: true });
      await come(store, 'a', ['x1']);
      await come(store, 'b', ['x1']);
      await come(store, 'c', ['x2']);
      await end(store, 'a');
      await ask(store, 'b', ['x1', 'x2']);
      expect(await find(store, 'b')).toMatchObject({ waitsFor: idOf('c') });
      // c is not launched yet, so it may have to wait again for the hosts that it asks for now.
      expect(await ask(store, 'c', ['x1', 'x2'])).toBe(false);
      expect(await find(store, 'c')).toMatchObject({ waitsFor: idOf('b') });
      expect(await find(store, 'b')).toMatchObject({ admittedAt: at(1), admissionDue: true });
      expect(await ask(store, 'b', ['x1', 'x2'])).toBe(true);
      await end(store, 'b');
      expect(await ask(store, 'c', ['x1', 'x2'])).toBe(true);
    });

    test('are not waited for any more when the session that asked first asks for others', async () => {
      const { store } = stores();
      await store.options.patch({ hostLocks: true });
      await come(store, 'a', ['x1']);
      await come(store, 'b', ['x1', 'x2']);
      await come(store, 'c', ['x2']);
      expect(await ask(store, 'b', ['x1'])).toBe(false);
      expect(await find(store, 'c')).toMatchObject({ admittedAt: at(1), admissionDue: true });
    });

    test('stay with their session even if a late attempt asks for fewer', async () => {
      const { store } = stores();
      await store.options.patch({ hostLocks: true });
      await come(store, 'a', ['x1', 'x2']);
      expect(await ask(store, 'a', ['x1'])).toBe(true);
      expect(await come(store, 'b', ['x2'])).toBe(false);
    });

    test('are fixed at the launch: a late request changes nothing', async () => {
      const { store } = stores();
      await store.options.patch({ hostLocks: true });
      await come(store, 'a', ['x1']);
      await come(store, 'b', ['x2']);
      await launch(store, 'b');
      expect(await ask(store, 'b', ['x1'])).toBe(true);
      expect(await come(store, 'c', ['x2'])).toBe(false);
    });

    test('keep a session that waits for them from being launched', async () => {
      const { store } = stores();
      await store.options.patch({ hostLocks: true });
      await come(store, 'a', ['x1']);
      await come(store, 'b', ['x1']);
      expect(await launch(store, 'b')).toMatchObject({ won: false, session: { state: 'pending' } });
      await end(store, 'a');
      expect(await launch(store, 'b')).toMatchObject({ won: true });
    });

    test('belong to a session whose job is found running, even if it was to wait', async () => {
      const { store } = stores();
      await store.options.patch({ hostLocks: true });
      await come(store, 'a', ['x1']);
      await come(store, 'b', ['x1', 'x2']);
      await store.sessions.recordAttach(idOf('b'), { at: at(2), incarnation: 'i' });
      const attached = await find(store, 'b');
      expect(attached).toMatchObject({ claimedAt: at(0), admittedAt: at(2) });
      expect(attached).not.toHaveProperty('waitsFor');
      expect(attached).not.toHaveProperty('waiting');
      expect(await come(store, 'c', ['x2'])).toBe(false);
    });

    test.each([0, 2])(
      'are waited for also when the workflow starts anew (max_running_sessions: %d)',
      async (maxRunningSessions) => {
        const { store } = stores();
        await store.options.patch({ hostLocks: true, maxRunningSessions });
        await come(store, 'a', ['x1']);
        await come(store, 'b', ['x1']);
        const claimed = await store.sessions.claim(idOf('b'), { at: at(5) });
        expect(claimed).toMatchObject({ waitsFor: idOf('a') });
        expect(claimed).not.toHaveProperty('admittedAt');
        // A repeated claim may come late, so the workflow must be told even if it has not started anew.
        await end(store, 'a');
        expect(await find(store, 'b')).toMatchObject({ admittedAt: at(1000), admissionDue: true });
      },
    );

    test('are announced again if they become free again while the earlier announcement is recorded', async () => {
      const { store } = stores();
      await store.options.patch({ hostLocks: true });
      await come(store, 'a', ['x1']);
      await come(store, 'c', ['x2']);
      await come(store, 'b', ['x1']);
      await end(store, 'a');
      const told = (await find(store, 'b')).admittedAt;
      expect(await ask(store, 'b', ['x1', 'x2'])).toBe(false);
      expect(await find(store, 'b')).toMatchObject({ admissionDue: false });
      await store.sessions.recordOutcome(idOf('c'), { succeeded: 'true' }, at(2000));
      await store.sessions.recordDispatched(idOf('b'), 'started', { toldOf: told });
      expect(await find(store, 'b')).toMatchObject({ admittedAt: at(2000), admissionDue: true });
      await store.sessions.recordDispatched(idOf('b'), 'started', { toldOf: at(2000) });
      expect(await find(store, 'b')).toMatchObject({ admissionDue: false });
    });

    test('are passed on when many sessions that wait in a row end at once', async () => {
      const { store, other } = stores();
      await store.options.patch({ hostLocks: true });
      const names = Array.from({ length: 40 }, (_, index) => `r${index}`);
      for (const name of names) await come(store, name, ['x1']);
      const ended = names.map((name, index) => end(index % 2 === 0 ? store : other, name));
      expect(await Promise.all(ended)).toEqual(names.map(() => true));
      expect(await store.admission.countBehind()).toBe(0);
    });

    test('cost a waiting session its place, but it is then the first to get one', async () => {
      const { store } = stores();
      await store.options.patch({ hostLocks: true, maxRunningSessions: 2 });
      expect(await come(store, 'a', ['x1'])).toBe(true);
      expect(await come(store, 'b', ['x1'])).toBe(false);
      expect(await come(store, 'c', ['x2'])).toBe(true);
      await store.sessions.insert(aNewSession('d'));
      await store.sessions.claim(idOf('d'), { at: at(2) });
      expect(await store.admission.places(['b', 'c', 'd'].map(idOf))).toEqual(
        new Map([[idOf('d'), 1]]),
      );
      await end(store, 'a');
      expect(await find(store, 'b')).toMatchObject({ admittedAt: at(1000) });
      expect(await store.admission.places(['b', 'c', 'd'].map(idOf))).toEqual(
        new Map([[idOf('d'), 1]]),
      );
      await end(store, 'c');
      expect(await find(store, 'd')).toMatchObject({ admittedAt: at(1000) });
    });

    test('are shared again once the option is turned off', async () => {
      const { store } = stores();
      await store.options.patch({ hostLocks: true });
      await come(store, 'a', ['x1']);
      await come(store, 'b', ['x1']);
      await come(store, 'c', ['x1']);
      await store.admission.admit(at(10));
      expect(await store.admission.countBehind()).toBe(2);
      await store.options.patch({ hostLocks: false });
      await store.admission.admit(at(20));
      expect(await store.admission.countBehind()).toBe(0);
      expect(await find(store, 'c')).toMatchObject({ admittedAt: at(20), admissionDue: true });
      // Session a has kept its host, in case the option is turned on again.
      await store.options.patch({ hostLocks: true });
      expect(await come(store, 'd', ['x1'])).toBe(false);
    });

    test('may be thousands, with any name', async () => {
      const { store } = stores();
      await store.options.patch({ hostLocks: true });
      const many = Array.from({ length: 40_000 }, (_, index) => `x${index}`);
      expect(await come(store, 'a', [...many, 'a\0b', '\uD800', 'y'.repeat(5000)])).toBe(true);
      expect(await come(store, 'b', ['z', 'y'.repeat(5000)])).toBe(false);
      expect(await come(store, 'c', many)).toBe(false);
      expect(await find(store, 'c')).toMatchObject({
        waiting: { message: expect.stringContaining('and 39999 other hosts') },
      });
    });

    test('are never those of a complete session', async () => {
      const { store } = stores();
      await store.options.patch({ hostLocks: true });
      await come(store, 'a', ['x1']);
      await end(store, 'a');
      expect(await ask(store, 'a', ['x1'])).toBe(true);
      expect(await come(store, 'b', ['x1'])).toBe(true);
    });

    test('never belong to two sessions, whoever asks and ends at once, and every session gets its turn', async () => {
      const { store, other } = stores();
      await store.options.patch({ hostLocks: true, maxRunningSessions: 5 });
      const by = (index: number) => (index % 2 === 0 ? store : other);
      const hostsOf = (index: number) => [`x${index % 5}`, `x${(index * 3 + 1) % 7}`];
      const names = Array.from({ length: 24 }, (_, index) => `m${index}`);
      await Promise.all(names.map((name, index) => come(by(index), name, hostsOf(index))));
      const over = new Set<string>();
      while (over.size < names.length) {
        const asked = await Promise.all(
          names.map(async (name, index) =>
            !over.has(name) && (await ask(by(index), name, hostsOf(index))) ? [index] : [],
          ),
        );
        const going = asked.flat();
        const hosts = going.flatMap((index) => [...new Set(hostsOf(index))]);
        expect(new Set(hosts).size).toBe(hosts.length);
        expect(going.length).toBeGreaterThan(0);
        expect(going.length).toBeLessThanOrEqual(5);
        await Promise.all(going.map((index) => end(by(index + 1), names[index] ?? '')));
        for (const index of going) over.add(names[index] ?? '');
      }
    });
  });
}
