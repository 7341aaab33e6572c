import { describe, expect, test } from '@jest/globals';
import {
  decideEnd,
  isLeftOut,
  toBatchKey,
  toCommonTags,
  toGroups,
  toSteadySince,
} from '../../src/core/batch.js';

const SENT = '2026-03-01T12:00:00.000Z';
const LATE = '2026-03-01T12:05:01.000Z';
type SessionView = NonNullable<Parameters<typeof decideEnd>[1]>;
const running = { state: 'running', desired: 'run' } as const;
const pending = { ...running, state: 'pending' } as const;

describe('decideEnd', () => {
  const decide = (session: Parameters<typeof decideEnd>[1], now = LATE) =>
    decideEnd(SENT, session, { now, pendingSeconds: 300, steadySince: SENT });

  test.each([
    ['runs, however long', running],
    ['waits for Temporal, a worker or a place', pending],
    ['has had its place only for a moment', { ...pending, admittedAt: LATE }],
    [
      'waits for something that is away, for which it has a limit of its own',
      { ...pending, admittedAt: SENT, waiting: { since: SENT, message: 'Waiting: HSM' } },
    ],
    ['was deleted, and still runs', { ...running, desired: 'delete' as const, deletedAt: SENT }],
    ['was cancelled, and has not ended', { ...pending, desired: 'cancel' as const }],
  ])('waits for a session that %s', (_what, session) => {
    expect(decide(session)).toEqual({ kind: 'wait' });
  });

  test('waits until a session has been pending for the whole time', () => {
    const begun = { ...pending, admittedAt: SENT };
    expect(decide(begun, '2026-03-01T12:05:00.000Z')).toEqual({ kind: 'wait' });
    expect(decide(begun)).toEqual({ kind: 'overdue' });
  });

  test('does not count the time in which no worker could have gone on', () => {
    const steadySince = '2026-03-01T12:00:01.000Z';
    const limit = { now: LATE, pendingSeconds: 300, steadySince };
    expect(decideEnd(SENT, { ...pending, admittedAt: SENT }, limit)).toEqual({ kind: 'wait' });
  });

  test.each<[string, SessionView | undefined, object]>([
    ['is gone', undefined, { result: { kind: 'released' } }],
    [
      'was deleted, and has ended',
      {
        ...{ state: 'complete', desired: 'delete', deletedAt: SENT },
        outcome: { succeeded: 'true' },
      },
      { result: { kind: 'released' } },
    ],
    [
      'has succeeded',
      { ...running, state: 'complete', outcome: { succeeded: 'true' } },
      { result: { kind: 'success' } },
    ],
    [
      'has failed',
      { ...running, state: 'complete', outcome: { succeeded: 'false', reason: 'TASK_FAILED' } },
      { result: { kind: 'failure', cause: 'configuration' }, reason: 'TASK_FAILED' },
    ],
    [
      'has found no inventory to launch with',
      { ...running, state: 'complete', outcome: { succeeded: 'false', reason: 'INVENTORY' } },
      { result: { kind: 'failure', cause: 'platform' }, reason: 'INVENTORY' },
    ],
    [
      'has an inventory that Ansible cannot use',
      {
        ...{ ...running, state: 'complete', launchedAt: SENT },
        outcome: { succeeded: 'false', reason: 'INVENTORY' },
      },
      { result: { kind: 'failure', cause: 'configuration' }, reason: 'INVENTORY' },
    ],
  ])('ends with a session that %s', (_what, session, end) => {
    expect(decide(session)).toEqual({ kind: 'ended', ...end });
  });
});

describe('toBatchKey', () => {
  const waiting = (id: string) => ({
    component: { id, enabled: true, desiredConfig: 'compute', state: [] },
    status: 'pending' as const,
    desiredState: [{ status: 'pending' as const }],
  });

  test.each(['x3000c0s1b0n0', 'nid000001-nmn', 'uan01.example.org', '10.1.2.3', 'login_1'])(
    'takes the host %s',
    (id) => {
      expect(toBatchKey(waiting(id))).toBeDefined();
      expect(isLeftOut(waiting(id))).toBe(false);
    },
  );

  test.each(['all', 'ungrouped', 'x1,x2', 'x1:x2', '!x1', '&x1', 'x*', 'x?', '~x', '@x', 'x[1:2]'])(
    'leaves out %s, which Ansible would take for something else',
    (id) => {
      const { component, ...rest } = waiting(id);
      expect(toBatchKey({ component, ...rest })).toBeUndefined();
      expect(isLeftOut({ component, ...rest })).toBe(true);
      expect(isLeftOut({ component: { ...component, enabled: false }, ...rest })).toBe(false);
    },
  );
});

describe('toSteadySince', () => {
  const [first, now] = ['2026-03-01T12:00:00.000Z', '2026-03-01T13:00:00.000Z'];
  const LATER = '2026-03-02T13:00:00.000Z';
  test.each([
    ['the first cycle', undefined, now],
    ['a cycle in time', { cycleAt: '2026-03-01T12:57:50.000Z', steadySince: first }, first],
    ['a cycle after a pause', { cycleAt: '2026-03-01T12:57:49.999Z', steadySince: first }, now],
    ['a cycle after the clock was set back', { cycleAt: LATER, steadySince: LATER }, now],
    [
      'a cycle after one of an older version',
      { cycleAt: '2026-03-01T12:59:50.000Z' },
      '2026-03-01T12:59:50.000Z',
    ],
  ])('of %s', (_what, last, expected) => {
    expect(toSteadySince(last, { now, intervalSeconds: 10 })).toBe(expected);
  });
});

describe('toCommonTags', () => {
  test.each([
    [[], {}],
    [[{ bos_session: 'a', rack: '1' }], { bos_session: 'a', rack: '1' }],
    [
      [
        { bos_session: 'a', rack: '1' },
        { bos_session: 'a', rack: '2' },
      ],
      { bos_session: 'a' },
    ],
    [[{ bos_session: 'a' }, {}], {}],
  ])('of %j are %j', (all, common) => {
    expect(toCommonTags(all as readonly Record<string, string>[])).toEqual(common);
  });
});

describe('toGroups', () => {
  test.each<[readonly number[], readonly (readonly number[])[]]>([
    [[], []],
    [[60], [[60]]],
    [
      [25, 25, 25, 35, 1],
      [[25, 25], [25, 35], [1]],
    ],
    [
      [1, 100, 1],
      [[1], [100], [1]],
    ],
  ])('puts %j into %j', (sizes, groups) => {
    const found = toGroups(
      sizes.map((size) => ({ size })),
      60,
    );
    expect(found.map((group) => group.map(({ size }) => size))).toEqual(groups);
  });
});
