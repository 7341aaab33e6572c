import { describe, expect, test } from '@jest/globals';
import {
  describeCheck,
  tellCheck,
  toAskedPassthrough,
  toCheck,
} from '../../src/core/check-mode.js';
import { planJob } from '../../src/core/plan.js';
import { collectDone } from '../../src/core/retry.js';
import { toSessionStart } from '../../src/core/session-start.js';
import type { Outcome } from '../../src/core/session.js';
import { aRequest, aSession, aSnapshot } from '../support/session-builders.js';

describe('toCheck', () => {
  test.each([
    ['', '--check --diff'],
    ['--tags a  -e "b=c d"', '--check --diff --tags a  -e "b=c d"'],
    [' -t a ', '--check --diff  -t a '],
  ])('has Ansible check, and keeps the passthrough %j', (asked, stored) => {
    const check = toCheck(aRequest({ ansiblePassthrough: asked }));
    expect(check).toEqual(aRequest({ checkMode: true, ansiblePassthrough: stored }));
    expect(toAskedPassthrough(check)).toBe(asked);
  });

  test('makes a job that records no state and that earlier versions understand', () => {
    const session = aSession(toCheck(aRequest()));
    const job = planJob(session, aSnapshot());
    const plain = planJob(aSession(), aSnapshot());
    expect(job).toEqual({
      ...plain,
      checkMode: true,
      phases: plain.phases.map((phase) =>
        phase.kind === 'ansible'
          ? { ...phase, passthrough: '--check --diff', recordsState: false }
          : phase,
      ),
    });
    expect(collectDone({ ...session, snapshot: aSnapshot() }, [], [])).toBeUndefined();
  });

  test('is seen in Temporal', () => {
    expect(toSessionStart(aSession(toCheck(aRequest()))).summary).toBe(
      'nightly: compute-v3 → dynamic (check mode)',
    );
  });
});

test('a request that is no check stays as it is', () => {
  const request = aRequest({ ansiblePassthrough: '--tags a' });
  expect(toAskedPassthrough(request)).toBe('--tags a');
  expect(toAskedPassthrough({})).toBe('');
  expect(describeCheck(request)).toBeUndefined();
  expect(tellCheck({ succeeded: 'true' }, request)).toEqual({ succeeded: 'true' });
});

describe('tellCheck', () => {
  test.each<[Outcome, string]>([
    [{ succeeded: 'true' }, 'Check mode: nothing was applied. The log has what would change.'],
    [{ succeeded: 'false', message: 'a.yml: no' }, 'Check mode: a.yml: no'],
    [{ succeeded: 'false', reason: 'CANCELLED', message: 'Cancelled by a' }, 'Cancelled by a'],
  ])('%j', (outcome, message) => {
    expect(tellCheck(outcome, toCheck(aRequest()))).toEqual({ ...outcome, message });
  });
});
