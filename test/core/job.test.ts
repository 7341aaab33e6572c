import { describe, expect, test } from '@jest/globals';
import { EXIT, isSuccess, type PhaseResult } from '../../src/core/job.js';

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

describe('EXIT', () => {
  test('keeps clear of the codes of Ansible, the shell and signals', () => {
    const codes = Object.values(EXIT);

    expect(codes.every((code) => code > 9 && code < 99)).toBe(true);
    expect(new Set(codes).size).toBe(codes.length);
  });
});
