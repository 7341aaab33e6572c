import { describe, expect, test } from '@jest/globals';
import {
  decideSweep,
  isMovable,
  type RunningWorkflow,
  type WorkflowState,
} from '../../src/core/sweep.js';

const outcome = { succeeded: 'true' } as const;
const busy: RunningWorkflow = {
  kind: 'running',
  runId: 'r',
  startedAt: '2026-01-01T00:00:00.000Z',
  hasTask: false,
  activities: [{ type: 'ansible', isCancelled: false }],
};
const idle: RunningWorkflow = { ...busy, activities: [] };
const told: RunningWorkflow = { ...idle, hasTask: true };
const now = '2026-01-01T00:10:00.000Z';
const workflows: Record<string, WorkflowState> = {
  running: busy,
  idle,
  closed: { kind: 'closed', runId: 'r', outcome },
  gone: { kind: 'gone' },
};
/** It has waited for its place, has got it, and runs. */
const session = {
  state: 'running',
  dispatched: 'started',
  external: false,
  desired: 'run',
  queuedAt: '2026-01-01T00:00:00.000Z',
  admittedAt: '2026-01-01T00:00:01.000Z',
  admissionDue: false,
  request: { target: { definition: 'dynamic' } },
} as const;
const without = (...names: readonly (keyof typeof session)[]) =>
  Object.fromEntries(
    Object.entries(session).filter(([name]) => !names.includes(name as keyof typeof session)),
  ) as Omit<typeof session, 'admittedAt' | 'queuedAt'>;

describe('decideSweep', () => {
  test.each([
    ['running', 'started', { kind: 'none' }],
    ['closed', 'started', { kind: 'complete', runId: 'r', outcome }],
    ['closed', 'cancelled', { kind: 'complete', runId: 'r', outcome }],
    ['gone', 'started', { kind: 'restart' }],
    ['gone', 'cancelled', { kind: 'restart' }],
    ['gone', 'none', { kind: 'none' }],
    ['closed', 'none', { kind: 'none' }],
    ['idle', 'none', { kind: 'none' }],
  ] as const)('a workflow that is %s, the wish %s', (workflow, dispatched, act) => {
    const state = workflows[workflow] ?? busy;
    expect(decideSweep(state, { ...session, dispatched }, now)).toEqual(act);
  });

  test.each([
    [
      'has been completed once already',
      { ...session, knownEnd: { runId: 'before', outcome } },
      outcome,
    ],
    ['customizes images', { ...session, request: { target: { definition: 'image' } } }, outcome],
    ['has lost its job', session, { succeeded: 'unknown', reason: 'JOB_LOST' }],
  ] as const)('only copies the outcome of a session that %s', (_, given, ended) => {
    const artifacts = [{ imageId: 'i', resultId: 'r', type: 'ims_customized_image' }] as const;
    const closed = { kind: 'closed', runId: 'r', outcome: ended, artifacts } as const;
    expect(decideSweep(closed, given, now)).toEqual({ kind: 'record', outcome: ended, artifacts });
  });

  test('completes a session whose end a sweep noted that got no further', () => {
    const closed = { kind: 'closed', runId: 'r', outcome } as const;
    const noted = { ...session, knownEnd: { runId: 'r', outcome } };
    expect(decideSweep(closed, noted, now)).toEqual({ ...closed, kind: 'complete' });
  });

  test.each(Object.keys(workflows))('leaves a session of an operator outside: %s', (kind) => {
    const outside = { ...session, dispatched: 'cancelled', external: true } as const;
    expect(decideSweep(workflows[kind] ?? busy, outside, now)).toEqual({ kind: 'none' });
  });

  test.each(Object.keys(workflows))('touches no record that is complete or away: %s', (kind) => {
    const workflow = workflows[kind] ?? busy;
    expect(decideSweep(workflow, { ...session, state: 'complete' }, now)).toEqual({ kind: 'none' });
    expect(decideSweep(workflow, undefined, now)).toEqual({ kind: 'none' });
  });
});

describe('decideSweep, of a workflow that waits for its place', () => {
  test.each([
    ['tells it again that it has one', idle, session, { kind: 'tell', what: 'admission' }],
    ['leaves one alone that works', busy, session, { kind: 'none' }],
    ['leaves one alone that has just been told', told, session, { kind: 'none' }],
    [
      'leaves the first telling to the API',
      idle,
      { ...session, admissionDue: true },
      { kind: 'none' },
    ],
    ['lets it wait for its place', idle, without('admittedAt'), { kind: 'none' }],
    [
      'lets it wait for its hosts',
      idle,
      { ...without('admittedAt', 'queuedAt'), waitsFor: 'cfs-b' },
      { kind: 'none' },
    ],
    [
      'replaces it if its record was never in the queue',
      idle,
      without('admittedAt', 'queuedAt'),
      { kind: 'replace', runId: 'r', why: expect.stringContaining('knows nothing') },
    ],
  ] as const)('%s', (_, workflow, record, act) => {
    expect(decideSweep(workflow, record, now)).toEqual(act);
  });
});

describe('decideSweep, of a session that is cancelled', () => {
  const cancelled = { ...session, desired: 'cancel', dispatched: 'cancelled' } as const;
  const stopped = { ...cancelled, stoppedAt: '2026-01-01T00:00:02.000Z' };
  const withActivity = (type: string, isCancelled = false): RunningWorkflow => ({
    ...idle,
    activities: [
      { type: 'ansible', isCancelled: false },
      { type, isCancelled },
    ],
  });
  const tell = { kind: 'tell', what: 'cancel' };
  test.each([
    ['tells a workflow that waits', idle, cancelled, tell],
    ['tells one that waits although its job was stopped', idle, stopped, tell],
    ['tells one that watches its job', busy, cancelled, tell],
    [
      'leaves the first telling to the API',
      busy,
      { ...cancelled, dispatched: 'started' },
      { kind: 'none' },
    ],
    ['leaves one alone that has just been told', told, cancelled, { kind: 'none' }],
    ['leaves one alone whose job was stopped', busy, stopped, { kind: 'none' }],
    [
      'leaves one alone that notes the cancel',
      withActivity('noteCancel'),
      cancelled,
      { kind: 'none' },
    ],
    ['leaves one alone that stops its job', withActivity('stopJob'), cancelled, { kind: 'none' }],
    [
      'leaves one alone that ends its step',
      withActivity('awaitImage', true),
      cancelled,
      { kind: 'none' },
    ],
  ] as const)('%s', (_, workflow, record, act) => {
    expect(decideSweep(workflow, record, now)).toEqual(act);
  });
});

describe('decideSweep, of a workflow that fails again and again', () => {
  const failing = (attempts: number): RunningWorkflow => ({
    ...told,
    failing: { attempts, why: 'Nondeterminism', isTimeout: false },
  });
  test('replaces it once there is no hope, also if its session is cancelled', () => {
    const replace = {
      kind: 'replace',
      runId: 'r',
      why: 'its workflow has failed 10 times in a row: Nondeterminism',
    };
    expect(decideSweep(failing(10), session, now)).toEqual(replace);
    const cancelled = { ...session, desired: 'cancel', dispatched: 'cancelled' } as const;
    expect(decideSweep(failing(10), cancelled, now)).toEqual(replace);
  });

  test('gives a worker of another version time to help', () => {
    expect(decideSweep(failing(9), session, now)).toEqual({ kind: 'none' });
  });

  test('leaves one alone that no worker has time for', () => {
    const failing = { attempts: 100, why: 'too slow', isTimeout: true };
    expect(decideSweep({ ...told, failing }, session, now)).toEqual({ kind: 'none' });
  });

  test('gives a new run ten minutes', () => {
    const young = { ...failing(10), startedAt: '2026-01-01T00:00:00.001Z' };
    expect(decideSweep(young, session, now)).toEqual({ kind: 'none' });
  });
});

describe('isMovable', () => {
  test.each([
    [{}, true],
    [{ launchedAt: 'then' }, false],
    [{ stoppedAt: 'then' }, false],
    [{ attachOnly: true }, false],
  ])('%j: %s', (facts, expected) => {
    expect(isMovable({ attachOnly: false, ...facts })).toBe(expected);
  });
});
