import { describe, expect, test } from '@jest/globals';
import { tellCheck, toCheck } from '../../src/core/check-mode.js';
import {
  describeEnd,
  isWanted,
  toAskedDelayMs,
  type HostTotals,
} from '../../src/core/notification.js';
import type { Outcome } from '../../src/core/session.js';
import { aRequest } from '../support/session-builders.js';

const none: HostTotals = {
  ...{ hosts: 0, failed: 0, unreachable: 0 },
  ...{ incomplete: 0, changed: 0, ok: 0 },
};

describe('isWanted', () => {
  test.each([
    ['all', 'true', true],
    ['all', 'false', true],
    ['failed', 'true', false],
    ['failed', 'false', true],
    ['failed', 'unknown', true],
  ] as const)('%s, of a session that succeeded: %s', (scope, succeeded, wanted) => {
    expect(isWanted(scope, succeeded)).toBe(wanted);
  });
});

describe('toAskedDelayMs', () => {
  test.each([
    [1, 0, undefined],
    [1, 1, undefined],
    [1, 1.5, 1_500],
    [4, 8, undefined],
    [4, 9, 9_000],
    [99, 600, undefined],
    [99, 601, 601_000],
    [1, 86_400, 3_600_000],
    [1, Number.POSITIVE_INFINITY, 3_600_000],
  ])('after try %d, and %d seconds that are asked for', (attempt, asked, expected) => {
    expect(toAskedDelayMs(attempt, asked)).toBe(expected);
  });
});

describe('describeEnd', () => {
  const cases: readonly [Outcome | undefined, Partial<HostTotals>, string][] = [
    [{ succeeded: 'true' }, { hosts: 12, changed: 3, ok: 9 }, 'succeeded. Of 12 hosts 3 changed.'],
    [{ succeeded: 'true' }, { hosts: 1, ok: 1 }, 'succeeded. Of 1 host none changed.'],
    [
      { succeeded: 'true', reason: 'NO_HOSTS', message: 'No host ran a task: no play matches.' },
      {},
      'succeeded (NO_HOSTS): No host ran a task: no play matches.',
    ],
    [
      { succeeded: 'false', reason: 'TASK_FAILED', message: 'site.yml: task "x" failed on n1: no' },
      { hosts: 9, failed: 2, unreachable: 1, ok: 6 },
      'failed (TASK_FAILED): site.yml: task "x" failed on n1: no. Of 9 hosts 2 failed and 1 could not be reached.',
    ],
    [
      { succeeded: 'false', reason: 'CANCELLED', message: 'Cancelled by ann before it started' },
      {},
      'was cancelled by ann before it started.',
    ],
    [
      { succeeded: 'unknown', reason: 'JOB_LOST', message: 'The job vanished. Look at …' },
      {},
      'ended, and whether it succeeded is not known (JOB_LOST): The job vanished. Look at …',
    ],
    [undefined, {}, 'ended, and whether it succeeded is not known.'],
  ];
  test.each(cases)('%j', (outcome, totals, text) => {
    const session = {
      name: 'a',
      request: aRequest(),
      ...(outcome === undefined ? {} : { outcome }),
    };
    expect(describeEnd(session, { ...none, ...totals })).toBe(`Session a ${text}`);
  });

  test('tells of a check what would change', () => {
    const session = { name: 'a', request: toCheck(aRequest()) };
    const outcome = tellCheck({ succeeded: 'true' }, session.request);
    expect(describeEnd({ ...session, outcome }, { ...none, hosts: 2, changed: 1, ok: 1 })).toBe(
      'Session a succeeded: Check mode: nothing was applied. The log has what would change. Of 2 hosts 1 would change.',
    );
  });
});
