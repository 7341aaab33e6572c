import { describe, expect, test } from '@jest/globals';
import { closePhases, toPhaseResult, toStoppedResult } from '../../src/runner/phase-record.js';

const started_at = '2026-01-01T00:00:00.000Z';
const ended_at = '2026-01-01T00:00:01.000Z';
const times = { startedAt: started_at, endedAt: ended_at };

describe('toPhaseResult', () => {
  test.each([
    [{ state: 'running', started_at }, undefined],
    [
      { state: 'ended', started_at, ended_at, exit_code: 0 },
      { kind: 'exited', exitCode: 0, ...times },
    ],
    [
      { state: 'ended', started_at, ended_at, exit_code: 2 },
      { kind: 'exited', exitCode: 2, ...times },
    ],
    [
      { state: 'ended', started_at, ended_at, exit_code: 143, killed: 'stopped' },
      { kind: 'killed', reason: 'stopped', ...times },
    ],
    [
      { state: 'ended', started_at, ended_at, exit_code: null, killed: 'timeout' },
      { kind: 'killed', reason: 'timeout', ...times },
    ],
    [
      { state: 'ended', started_at: null, ended_at, killed: 'stopped' },
      { kind: 'killed', reason: 'stopped', endedAt: ended_at },
    ],
    [
      { state: 'ended', started_at, ended_at, killed: 'lost' },
      { kind: 'killed', reason: 'lost', ...times },
    ],
    [
      { state: 'ended', started_at, ended_at, exit_code: null, killed: null },
      { kind: 'killed', reason: 'lost', ...times },
    ],
    [
      { state: 'ended', unstarted: 'skipped' },
      { kind: 'unstarted', reason: 'skipped', message: 'An earlier phase did not succeed.' },
    ],
  ] as const)('reads %j', (record, expected) => {
    expect(toPhaseResult(record)).toEqual(expected);
  });
});

describe('toStoppedResult', () => {
  test('stops the first phase and skips the others', () => {
    expect(toStoppedResult(['a', 'b'], 'a')).toEqual({ kind: 'killed', reason: 'stopped' });
    expect(toStoppedResult(['a', 'b'], 'b')).toMatchObject({
      kind: 'unstarted',
      reason: 'skipped',
    });
  });
});

describe('closePhases', () => {
  const succeeded = { phase: 'a', record: { state: 'ended', exit_code: 0 } } as const;
  const failed = { phase: 'a', record: { state: 'ended', exit_code: 1 } } as const;
  const running = { phase: 'b', record: { state: 'running', started_at } } as const;
  const waiting = { phase: 'c', record: undefined } as const;

  test('interrupts the phase that ran and skips the rest', () => {
    expect(closePhases([succeeded, running, waiting], 'lost', ended_at)).toEqual([
      { phase: 'b', record: { state: 'ended', started_at, ended_at, killed: 'lost' } },
      { phase: 'c', record: { state: 'ended', unstarted: 'skipped' } },
    ]);
  });

  test('interrupts the phase whose turn it was', () => {
    expect(closePhases([succeeded, waiting], 'stopped', ended_at)).toEqual([
      { phase: 'c', record: { state: 'ended', ended_at, killed: 'stopped' } },
    ]);
  });

  test('only skips after a failure', () => {
    expect(closePhases([failed, waiting], 'lost', ended_at)).toEqual([
      { phase: 'c', record: { state: 'ended', unstarted: 'skipped' } },
    ]);
  });

  test('does not change phases that have ended', () => {
    expect(closePhases([succeeded], 'lost', ended_at)).toEqual([]);
  });
});
