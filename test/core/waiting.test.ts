import { describe, expect, test } from '@jest/globals';
import type { Session } from '../../src/core/session.js';
import {
  describeFailing,
  describeHostWait,
  describeWaits,
  findWait,
  isFailingWait,
  untilWait,
} from '../../src/core/waiting.js';
import { at } from '../support/store-builders.js';

const fresh = {
  state: 'pending',
  desired: 'run',
  external: false,
  createdAt: at(0),
  dispatched: 'none',
  admissionDue: false,
} as const satisfies Partial<Session>;
const claimed = { ...fresh, dispatched: 'started', claimedAt: at(1) } as const;
const told = { since: at(3), message: 'Waiting: HSM', phase: 'inventory' };

const aFailure = { since: at(3), message: describeFailing('Nondeterminism: x') };

const aHostWait = {
  since: at(3),
  message: describeHostWait({ name: 'b', host: 'x1', hosts: 3 }),
};

describe('findWait', () => {
  test.each([
    ['that Temporal does not have', fresh, at(0), 'Temporal has not taken it yet'],
    [
      'that no worker has',
      { ...fresh, dispatched: 'started' as const },
      at(0),
      'no worker has taken it yet; it starts once one has',
    ],
    [
      'that was restored, then cancelled, and that no worker has',
      { ...fresh, desired: 'cancel' as const, dispatched: 'cancelled' as const },
      at(0),
      'no worker has taken it yet; it ends once one has',
    ],
    ['that has no place', { ...claimed, queuedAt: at(1) }, at(1), 'max_running_sessions'],
    [
      'that Temporal was not told of',
      { ...claimed, queuedAt: at(2), admittedAt: at(4), admissionDue: true },
      at(4),
      'Temporal has not been told',
    ],
    [
      'whose hosts another one has',
      { ...claimed, queuedAt: at(1), waitsFor: 'cfs-b-0123abcd', waiting: aHostWait },
      at(3),
      'session b comes first on x1 and 2 other hosts [(]option host_locks',
    ],
    ['that told of it', { ...claimed, waiting: told }, at(3), 'HSM'],
    [
      'whose workflow fails before it is claimed',
      { ...fresh, dispatched: 'started' as const, waiting: aFailure },
      at(3),
      'its workflow fails .* Nondeterminism: x$',
    ],
    [
      'that cannot be stopped',
      { ...claimed, desired: 'cancel' as const, waiting: told },
      at(3),
      'HSM',
    ],
  ])('says what a session waits for %s', (_, session, since, what) => {
    const wait = findWait(session, at(60));
    expect(wait?.since).toBe(since);
    expect(wait?.message).toMatch(new RegExp(`^Waiting: .*${what}`));
  });

  test.each([
    ['has just come', fresh, at(4)],
    ['goes on', claimed, at(60)],
    ['was given a place', { ...claimed, queuedAt: at(2), admittedAt: at(4) }, at(60)],
    ['is over', { ...fresh, state: 'complete' as const, waiting: told }, at(60)],
    [
      'is cancelled while another one has its hosts',
      { ...claimed, desired: 'cancel' as const, waitsFor: 'cfs-b-0123abcd', waiting: aHostWait },
      at(60),
    ],
    [
      'is cancelled without a place',
      { ...claimed, desired: 'cancel' as const, queuedAt: at(2) },
      at(60),
    ],
    ['belongs to an operator outside', { ...fresh, external: true }, at(60)],
  ])('says nothing of one that %s', (_, session, now) => {
    expect(findWait(session, now)).toBeUndefined();
  });
});

describe('untilWait', () => {
  test('is the time until a session that nobody has begun counts as waiting, and undefined afterwards', () => {
    expect(untilWait(fresh, at(4))).toBe(1000);
    expect(untilWait(fresh, at(5))).toBeUndefined();
    expect(untilWait(claimed, at(4))).toBeUndefined();
  });

  test('does not last until a clock that was set back has caught up', () => {
    expect(untilWait({ ...fresh, createdAt: at(60) }, at(0))).toBeUndefined();
    expect(findWait({ ...fresh, createdAt: at(60) }, at(0))?.since).toBe(at(60));
  });
});

describe('describeWaits', () => {
  test('says how long each wait was', () => {
    const session = {
      ...{ createdAt: at(0), claimedAt: at(60), queuedAt: at(60), admittedAt: at(61) },
      waiting: { since: at(61), message: 'Waiting: git' },
    };
    expect(describeWaits(session, at(71))).toEqual([
      'Waited 60 s for Temporal, or for a worker.',
      'Waited 1 s for a place (max_running_sessions).',
      'Waited 10 s. Waiting: git',
    ]);
    expect(describeWaits({ createdAt: at(0), claimedAt: at(1) }, at(9))).toEqual([]);
    expect(describeWaits({ ...session, admittedAt: at(0) }, at(0))).toEqual([
      'Waited 60 s for Temporal, or for a worker.',
      'Waited 0 s for a place (max_running_sessions).',
      'Waited 0 s. Waiting: git',
    ]);
  });

  test('tells the wait for a place from the claim, because the queue may keep a later time', () => {
    const session = { createdAt: at(0), claimedAt: at(1), queuedAt: at(3600) };
    expect(findWait({ ...fresh, ...session }, at(9))?.since).toBe(at(1));
    expect(describeWaits({ ...session, admittedAt: at(61) }, at(61))).toEqual([
      'Waited 60 s for a place (max_running_sessions).',
    ]);
  });
});

describe('isFailingWait', () => {
  test('knows the message again, however long the reason', () => {
    const long = { since: at(0), message: describeFailing('x'.repeat(1000)) };
    expect([isFailingWait(aFailure), isFailingWait(long), isFailingWait(told)]).toEqual([
      ...[true, true, false],
    ]);
  });
});
