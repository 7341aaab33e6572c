import { describe, expect, test } from '@jest/globals';
import type { PhaseResult } from '../../src/core/job.js';
import { endPhase, renderProgress, startPhase, type Progress } from '../../src/core/progress.js';

const NO_HOSTS = { hosts: 0, failedHosts: 0, unreachableHosts: 0 };
const waiting: Progress = [
  { name: 'git-clone-0', kind: 'git-clone', title: 'git-clone-0: https://git.example.org/a.git' },
  { name: 'ansible-0', kind: 'ansible', title: 'ansible-0: site.yml' },
];

function exited(exitCode: number): PhaseResult {
  return {
    kind: 'exited',
    exitCode,
    startedAt: '2026-01-01T00:00:00.000Z',
    endedAt: '2026-01-01T00:00:01.000Z',
  };
}

function rowsOf(progress: Progress): readonly string[] {
  return renderProgress(progress).split('\n').slice(2);
}

describe('startPhase, endPhase', () => {
  test('change one phase and keep the value they are given', () => {
    const started = startPhase(waiting, 'ansible-0', 1000);
    const ended = endPhase(started, 'ansible-0', { result: exited(0), hosts: NO_HOSTS }, 2500);

    expect(started[0]).toBe(waiting[0]);
    expect(started[1]).toEqual({ ...waiting[1], startedAt: 1000 });
    expect(ended[1]).toMatchObject({ startedAt: 1000, endedAt: 2500, end: { hosts: NO_HOSTS } });
    expect(waiting[1]).not.toHaveProperty('startedAt');
  });

  test('ignore a phase that is not there', () => {
    expect(startPhase(waiting, 'teardown', 1000)).toEqual(waiting);
  });
});

describe('renderProgress', () => {
  test('is a Markdown table', () => {
    const started = startPhase(waiting, 'git-clone-0', 1000);
    const cloned = endPhase(started, 'git-clone-0', { result: exited(0), hosts: NO_HOSTS }, 2234);

    expect(renderProgress(startPhase(cloned, 'ansible-0', 2234))).toBe(
      [
        '| phase | state | time | hosts |',
        '| --- | --- | --- | --- |',
        '| git-clone-0: https://git.example.org/a.git | succeeded | 1.2 s |  |',
        '| ansible-0: site.yml | running |  |  |',
      ].join('\n'),
    );
  });

  test('is a heading before there is a plan', () => {
    expect(rowsOf([])).toEqual([]);
  });

  test.each<[PhaseResult, string]>([
    [exited(0), 'succeeded'],
    [exited(2), 'failed (exit code 2)'],
    [{ kind: 'killed', reason: 'stopped' }, 'stopped'],
    [{ kind: 'killed', reason: 'lost' }, 'lost'],
    [{ kind: 'unstarted', reason: 'skipped', message: '' }, 'skipped'],
  ])('shows %j', (result, state) => {
    const ended = endPhase(waiting, 'ansible-0', { result, hosts: NO_HOSTS }, 1000);

    expect(rowsOf(ended)).toEqual([
      expect.stringContaining('| waiting |'),
      `| ansible-0: site.yml | ${state} |  |  |`,
    ]);
  });

  test.each([
    [{ hosts: 3, failedHosts: 0, unreachableHosts: 0 }, '3 ok'],
    [{ hosts: 5, failedHosts: 2, unreachableHosts: 1 }, '2 ok, 2 failed, 1 unreachable'],
    [{ hosts: 1, failedHosts: 0, unreachableHosts: 1 }, '0 ok, 1 unreachable'],
  ])('counts hosts: %j', (hosts, text) => {
    const ended = endPhase(waiting, 'ansible-0', { result: exited(0), hosts }, 1000);

    expect(rowsOf(ended)[1]).toBe(`| ansible-0: site.yml | succeeded |  | ${text} |`);
  });

  test('keeps a title from breaking the table', () => {
    const [row] = rowsOf([{ name: 'a', kind: 'ansible', title: 'a | b\nc' }]);

    expect(row).toBe('| a   b c | waiting |  |  |');
  });
});
