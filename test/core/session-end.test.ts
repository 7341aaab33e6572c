import { describe, expect, test } from '@jest/globals';
import {
  describeCancelling,
  findCancellation,
  nameLeftovers,
  preferKnown,
  toCancelled,
  toStepOutcome,
  toUnlaunched,
  toWithdrawn,
} from '../../src/core/session-end.js';
import type { Outcome } from '../../src/core/session.js';

describe('toCancelled', () => {
  test.each([
    [{}, undefined, 'Cancelled before it started'],
    [{ by: 'ada' }, undefined, 'Cancelled by ada before it started'],
    [{ reason: '' }, 'inventory', 'Cancelled during inventory'],
    [{ by: 'ada', reason: 'no' }, 'inventory', 'Cancelled by ada during inventory: no'],
  ])('tells who, when and why: %j, %s', (cancellation, phase, message) => {
    expect(toCancelled(cancellation, phase)).toEqual({
      succeeded: 'false',
      reason: 'CANCELLED',
      message,
      ...(phase === undefined ? {} : { phase }),
    });
  });
});

describe('describeCancelling', () => {
  test('says nothing of a session that is to run', () => {
    expect(describeCancelling({ desired: 'run', dispatched: 'started' })).toBeUndefined();
  });

  test.each([
    [
      'started',
      'Cancelled by ada; it is about to be stopped (if this stays, see temporal_status in /healthz): no',
    ],
    ['cancelled', 'Cancelled by ada; it is being stopped: no'],
  ] as const)('says who, why, and what is next: %s', (dispatched, message) => {
    const session = { desired: 'cancel', cancelBy: 'ada', cancelReason: 'no' } as const;
    expect(describeCancelling({ ...session, dispatched })).toBe(message);
  });
});

describe('findCancellation', () => {
  test('finds none while the session is to run', () => {
    expect(findCancellation({ desired: 'run', cancelBy: 'ada' })).toBeUndefined();
  });

  test.each([
    [{}, {}],
    [
      { cancelBy: 'ada', cancelReason: 'no' },
      { by: 'ada', reason: 'no' },
    ],
  ])('has what is known of it: %j', (told, cancellation) => {
    expect(findCancellation({ desired: 'delete', ...told })).toEqual(cancellation);
  });
});

describe('toWithdrawn', () => {
  test('says that what the operator runs is not stopped', () => {
    expect(toWithdrawn({ by: 'ada', reason: 'no' })).toEqual({
      succeeded: 'false',
      reason: 'CANCELLED',
      message: 'Cancelled by ada; this does not stop what its operator runs: no',
    });
  });
});

describe('toStepOutcome', () => {
  const launched = { launchedAt: '2026-01-01T00:00:00.000Z', attachOnly: false };
  const restored = { attachOnly: true };
  const waiting = { attachOnly: false };

  test.each([
    ['INVENTORY', 'inventory'],
    ['IMAGE_NOT_FOUND', 'inventory'],
    ['IMAGE_PREPARE', 'inventory'],
    ['GIT_CLONE', 'git-clone-1'],
  ] as const)('tells %s of the phase %s', (reason, phase) => {
    expect(
      toStepOutcome({ ...waiting, phase: 'git-clone-1' }, { reason, message: 'It is away.' }),
    ).toEqual({ succeeded: 'false', reason, message: 'It is away.', phase });
  });

  test('takes a failure without a reason for a defect', () => {
    expect(toStepOutcome(waiting, { message: 'x is undefined' })).toEqual({
      ...{ succeeded: 'false', reason: 'INTERNAL', message: 'x is undefined' },
    });
  });

  test.each([
    ['launched', launched, 'unknown', 'm1 is gone. Look at the hosts before running it again.'],
    ['restored', restored, 'unknown', 'm1 is gone. Look at the hosts before running it again.'],
    ['not launched', waiting, 'false', 'm1 is gone. Nothing had run, so it can be run again.'],
  ])('tells of a lost job what to do next: %s', (_, session, succeeded, message) => {
    expect(toStepOutcome(session, { reason: 'JOB_LOST', message: 'm1 is gone.' })).toEqual({
      ...{ succeeded, reason: 'JOB_LOST', message },
    });
  });
});

describe('toUnlaunched', () => {
  test('is cancelled if somebody has cancelled', () => {
    expect(toUnlaunched({ by: 'ada' })).toEqual(toCancelled({ by: 'ada' }));
  });

  test('is lost if nobody has', () => {
    expect(toUnlaunched(undefined)).toMatchObject({ succeeded: 'unknown', reason: 'JOB_LOST' });
  });
});

describe('preferKnown', () => {
  const failed = { succeeded: 'false', reason: 'TASK_FAILED', message: 'no space' } as const;
  const told = { ...failed, host: 'x1', task: 'install' } as const;
  const lost = { succeeded: 'unknown', reason: 'JOB_LOST' } as const;

  test.each<[string, Outcome, Outcome | undefined, Outcome]>([
    ['what is decided, if nothing is known', lost, undefined, lost],
    ['what is known, if it is decided otherwise', lost, failed, failed],
    [
      'what is known, of another reason',
      { succeeded: 'false', reason: 'CANCELLED' },
      failed,
      failed,
    ],
    ['what is known, of the same reason', { ...failed, succeeded: 'unknown' }, failed, failed],
    ['what is decided, if it tells the same with more', told, failed, told],
  ])('takes %s', (_what, decided, known, expected) => {
    expect(preferKnown(decided, known)).toBe(expected);
  });
});

describe('nameLeftovers', () => {
  test('begins with what was left, and keeps the rest', () => {
    const outcome = { succeeded: 'false', reason: 'GIT_REF', message: 'no branch' } as const;
    expect(nameLeftovers(outcome, [])).toBe(outcome);
    expect(nameLeftovers(outcome, ['a job (refused)', 'a key'])).toEqual({
      ...outcome,
      message: 'Left behind: a job (refused); a key. no branch',
    });
  });
});
