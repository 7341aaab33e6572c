import { describe, expect, test } from '@jest/globals';
import { countSilent, describeSilence, type Silence } from '../../src/core/silence.js';

const SINCE = '2026-01-01T00:00:00.000Z';
const aSilence = (more: Partial<Silence> = {}): Silence => ({
  task: 'Mount scratch',
  since: SINCE,
  hosts: 1,
  names: ['x1'],
  others: 0,
  ...more,
});

describe('describeSilence', () => {
  test.each<[string, Partial<Silence>, string]>([
    [
      'one host',
      {},
      `Nothing has been heard from 1 host in task "Mount scratch" since ${SINCE}: x1. A task timeout or host_silent_limit would end it.`,
    ],
    [
      'the first of many',
      { hosts: 12, names: ['x1', 'x2', 'x3', 'x4', 'x5'] },
      `Nothing has been heard from 12 hosts in task "Mount scratch" since ${SINCE}: x1, x2, x3 and 9 more. A task timeout or host_silent_limit would end it.`,
    ],
    [
      'hosts in other tasks',
      { hosts: 2, names: ['x1', 'x2'], others: 1 },
      `Nothing has been heard from 2 hosts in task "Mount scratch" since ${SINCE}: x1, x2. Nor from 1 host in other tasks. A task timeout or host_silent_limit would end it.`,
    ],
    [
      'hosts in a task with a limit',
      { limitSeconds: 900 },
      `Nothing has been heard from 1 host in task "Mount scratch" since ${SINCE}: x1. The task ends there after 900 s.`,
    ],
  ])('names %s', (_, silence, expected) => {
    expect(describeSilence(aSilence(silence))).toBe(expected);
  });

  test('has room for what it says, however long the name of the task is', () => {
    const names = Array.from({ length: 10 }, (_, index) => `x1000c0s${index}b0n0.example`);
    const text = describeSilence(
      aSilence({ task: 'x'.repeat(200), hosts: 2500, names, others: 17 }),
    );
    expect(text).toMatch(/ in task "x{49}…" since .* would end it\.$/);
  });
});

describe('countSilent', () => {
  test('counts them in all tasks', () => {
    expect(countSilent(aSilence({ hosts: 3, others: 4 }))).toBe(7);
  });
});
