import { describe, expect, test } from '@jest/globals';
import { decideClaim, type Claim, type Outcome, type Session } from '../../src/core/session.js';

const AT = '2026-01-01T00:00:00.000Z';
const outcome: Outcome = { succeeded: 'false', reason: 'CANCELLED' };

describe('decideClaim', () => {
  type Part = Parameters<typeof decideClaim>[0];
  const wanted: Part = { state: 'pending', desired: 'run', attachOnly: false };

  test.each<[string, Part, Claim]>([
    ['lets a wanted session go', wanted, { kind: 'go' }],
    ['lets it go after a claim of an earlier run', { ...wanted, state: 'running' }, { kind: 'go' }],
    ['attaches to what was launched', { ...wanted, launchedAt: AT }, { kind: 'attach' }],
    ['attaches, and no more, after a restore', { ...wanted, attachOnly: true }, { kind: 'attach' }],
    ['stops what is not wanted', { ...wanted, desired: 'cancel' }, { kind: 'stop' }],
    [
      'stops what was launched and is deleted',
      { ...wanted, desired: 'delete', launchedAt: AT },
      { kind: 'stop' },
    ],
    [
      'stops what was stopped, wanted or not',
      { ...wanted, launchedAt: AT, stoppedAt: AT },
      { kind: 'stop' },
    ],
    [
      'returns the stored outcome of a complete one',
      { ...wanted, state: 'complete', desired: 'delete', stoppedAt: AT, outcome },
      { kind: 'complete', outcome },
    ],
    [
      'does not guess an outcome that is not there',
      { ...wanted, state: 'complete' },
      { kind: 'complete', outcome: { succeeded: 'unknown' } },
    ],
  ])('%s', (_title, session, expected) => {
    expect(decideClaim(session)).toEqual(expected);
  });

  test('takes a whole session', () => {
    const session = { state: 'pending', desired: 'run', name: 'a' } as Session;

    expect(decideClaim(session).kind).toBe('go');
  });
});
