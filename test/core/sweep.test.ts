import { describe, expect, test } from '@jest/globals';
import { decideSweep, type WorkflowState } from '../../src/core/sweep.js';

const outcome = { succeeded: 'true' } as const;
const workflows: Record<string, WorkflowState> = {
  running: { kind: 'running' },
  closed: { kind: 'closed', outcome },
  gone: { kind: 'gone' },
};

describe('decideSweep', () => {
  test.each([
    ['running', 'started', { kind: 'none' }],
    ['closed', 'started', { kind: 'record', outcome }],
    ['closed', 'cancelled', { kind: 'record', outcome }],
    ['gone', 'started', { kind: 'restart' }],
    ['gone', 'cancelled', { kind: 'restart' }],
    ['gone', 'none', { kind: 'none' }],
    ['closed', 'none', { kind: 'none' }],
  ] as const)('a workflow that is %s, the wish %s', (workflow, dispatched, act) => {
    const state = workflows[workflow] ?? { kind: 'running' };
    expect(decideSweep(state, { state: 'running', dispatched, external: false })).toEqual(act);
  });

  test.each(Object.keys(workflows))('leaves a session of an operator outside: %s', (kind) => {
    const session = { state: 'running', dispatched: 'cancelled', external: true } as const;
    expect(decideSweep(workflows[kind] ?? { kind: 'gone' }, session)).toEqual({ kind: 'none' });
  });

  test.each(Object.keys(workflows))('touches no record that is complete or away: %s', (kind) => {
    const workflow = workflows[kind] ?? { kind: 'running' };
    expect(
      decideSweep(workflow, { state: 'complete', dispatched: 'started', external: false }),
    ).toEqual({
      kind: 'none',
    });
    expect(decideSweep(workflow, undefined)).toEqual({ kind: 'none' });
  });
});
