import { describe, expect, test } from '@jest/globals';
import {
  isBackedOff,
  limitBackOff,
  noteResult,
  PLATFORM,
  toBatchResult,
  toConfigurationCause,
  type CauseRecord,
} from '../../src/core/backoff-cause.js';

const NOW = '2026-03-01T12:00:00.000Z';
const COS = toConfigurationCause('cos');
const limits = (now = NOW) => ({ now, maxSeconds: 3600 });
const fresh = (cause: string): CauseRecord => ({ cause, results: [], seconds: 0 });
const after = (seconds: number) => new Date(Date.parse(NOW) + seconds * 1000).toISOString();

function fail(record: CauseRecord, times: number, now = NOW): CauseRecord {
  return Array.from({ length: times }).reduce<CauseRecord>(
    (present) => noteResult(present, false, limits(now)),
    record,
  );
}

describe('toBatchResult', () => {
  test.each([
    [{ succeeded: 'true' }, { kind: 'success' }],
    [{ succeeded: 'true', reason: 'NO_HOSTS' }, { kind: 'success' }],
    [
      { succeeded: 'false', reason: 'TASK_FAILED' },
      { kind: 'failure', cause: 'configuration' },
    ],
    [
      { succeeded: 'false', reason: 'GIT_CLONE' },
      { kind: 'failure', cause: 'configuration' },
    ],
    [{ succeeded: 'unknown' }, { kind: 'failure', cause: 'configuration' }],
    [
      { succeeded: 'unknown', reason: 'JOB_LOST' },
      { kind: 'failure', cause: 'platform' },
    ],
    [
      { succeeded: 'false', reason: 'INVENTORY' },
      { kind: 'failure', cause: 'platform' },
    ],
    [
      { succeeded: 'false', reason: 'UNSCHEDULABLE' },
      { kind: 'failure', cause: 'platform' },
    ],
    [{ succeeded: 'false', reason: 'CANCELLED' }, { kind: 'released' }],
    [undefined, { kind: 'released' }],
  ] as const)('of %j is %j', (outcome, result) => {
    expect(toBatchResult(outcome, false)).toEqual(result);
  });

  test('an inventory that Ansible cannot use is a failure of the configuration', () => {
    const inventory = { succeeded: 'false', reason: 'INVENTORY' } as const;
    expect(toBatchResult(inventory, true)).toEqual({ kind: 'failure', cause: 'configuration' });
  });
});

describe('noteResult', () => {
  test('backs off a configuration after 20 failures in a row, and not before', () => {
    expect(isBackedOff(fail(fresh(COS), 19), NOW)).toBe(false);
    expect(fail(fresh(COS), 20)).toMatchObject({ seconds: 60, until: after(60) });
  });

  test('backs off the platform, which all batches share, at the first failure', () => {
    expect(fail(fresh(PLATFORM), 1)).toMatchObject({ seconds: 60, until: after(60) });
  });

  test('does not lengthen a back-off that has not passed', () => {
    const once = fail(fresh(PLATFORM), 1);
    expect(fail(once, 5, after(59))).toEqual(once);
  });

  test.each([
    [1, 60],
    [2, 120],
    [3, 240],
    [6, 1920],
    [7, 3600],
    [9, 3600],
  ])('doubles the back-off each time that it has passed: %i times, %i s', (times, seconds) => {
    let record = fresh(PLATFORM);
    let now = NOW;
    for (let time = 0; time < times; time += 1) {
      record = noteResult(record, false, limits(now));
      now = record.until ?? now;
    }
    expect(record.seconds).toBe(seconds);
  });

  test('ends with a success', () => {
    expect(noteResult(fail(fresh(COS), 30), true, limits())).toEqual({
      cause: COS,
      results: [true],
      seconds: 0,
    });
  });

  test('lasts no longer than the maximum that is set by now', () => {
    const once = fail(fresh(PLATFORM), 1);
    expect(limitBackOff(once, 60)).toEqual(once);
    const shorter = limitBackOff(once, 10);
    expect(shorter).toEqual({ ...once, seconds: 10, until: after(10) });
    expect(noteResult(once, false, { now: after(10), maxSeconds: 10 })).toMatchObject({
      ...{ seconds: 10, until: after(20) },
    });
    expect(limitBackOff(fresh(COS), 0)).toEqual(fresh(COS));
  });

  test('ends if the clock was set back since it began', () => {
    const once = fail(fresh(PLATFORM), 1);
    expect(isBackedOff(once, after(-10))).toBe(true);
    expect(isBackedOff(once, after(-3600))).toBe(false);
  });

  test('never backs off if the maximum is 0', () => {
    const record = noteResult(fresh(PLATFORM), false, { now: NOW, maxSeconds: 0 });
    expect(isBackedOff(record, NOW)).toBe(false);
  });
});
