import { describe, expect, test } from '@jest/globals';
import { EXIT, isSuccess, settleResult, type PhaseResult } from '../../src/core/job.js';

const times = { startedAt: '2026-01-01T00:00:00.000Z', endedAt: '2026-01-01T00:00:01.000Z' };

describe('isSuccess', () => {
  test.each<[PhaseResult, boolean]>([
    [{ kind: 'exited', exitCode: 0, ...times }, true],
    [{ kind: 'exited', exitCode: 2, ...times }, false],
    [{ kind: 'killed', reason: 'stopped' }, false],
    [{ kind: 'unstarted', reason: 'skipped', message: '' }, false],
  ])('judges %j', (result, expected) => {
    expect(isSuccess(result)).toBe(expected);
  });
});

describe('settleResult', () => {
  const good = { kind: 'exited', exitCode: 0, ...times } as const;
  const bad = { kind: 'exited', exitCode: 2, ...times } as const;
  const lost = { kind: 'killed', reason: 'lost' } as const;
  const evicted = { kind: 'killed', reason: 'evicted' } as const;
  const stopped = { kind: 'killed', reason: 'stopped' } as const;
  const starved = { kind: 'killed', reason: 'memory' } as const;
  const overdue = { kind: 'killed', reason: 'timeout' } as const;

  test.each<[string, PhaseResult, PhaseResult | undefined, boolean, PhaseResult]>([
    ['what the platform saw', bad, good, true, bad],
    ['what the platform ended', stopped, good, true, stopped],
    ['what nobody has told of', lost, undefined, true, lost],
    ['a success after which nothing was to run', lost, good, true, good],
    ['that on a node that is gone', evicted, good, true, good],
    ['that before a deadline', overdue, good, true, good],
    ['who sent a signal', evicted, stopped, true, evicted],
    ['who sent a signal at a deadline', overdue, stopped, true, overdue],
    ['who sent a signal, if the platform lost sight', lost, stopped, true, stopped],
    ['that it ran out of memory on a node that is gone', evicted, starved, true, starved],
    ['a success after which more was to run', lost, good, false, lost],
    ['a failure', lost, bad, false, bad],
  ])('keeps %s', (_, seen, told, isLast, expected) => {
    expect(settleResult(seen, told, isLast)).toEqual(expected);
  });
});

describe('EXIT', () => {
  test('keeps clear of the codes of Ansible, the shell and signals', () => {
    const codes = Object.values(EXIT);

    expect(codes.every((code) => code > 9 && code < 99)).toBe(true);
    expect(new Set(codes).size).toBe(codes.length);
  });
});
