import { describe, expect, test } from '@jest/globals';
import { ActivityFailure, ApplicationFailure } from '@temporalio/common';
import { toFailure } from '../../src/activities/failure.js';
import { ServiceError } from '../../src/core/errors.js';
import { createSink, toFields, toLevel } from '../../src/process/runtime.js';

const about = { activityType: 'stageInventory', attempt: 2 };

/** What is left of an error from another thread, such as that of the workflows. */
function copy({ message, stack = '' }: Error): Error {
  return Object.assign(new Error(message), { stack });
}

describe('toLevel', () => {
  const ended = ApplicationFailure.nonRetryable('site.yml could not run', 'PLAYBOOK_ERROR');
  const message = 'Workflow failed';

  test('does not warn about a session that failed for its own reasons, which is logged elsewhere', () => {
    for (const error of [ended, copy(ended)])
      expect(toLevel({ level: 'WARN', message, meta: { error } })).toBe('debug');
  });

  test('keeps the level of everything else', () => {
    for (const error of [new TypeError('x is undefined'), new Error('ApplicationFailure: no')])
      expect(toLevel({ level: 'WARN', message, meta: { error } })).toBe('warn');
    const activity = { level: 'WARN', message: 'Activity failed' } as const;
    expect(toLevel({ ...activity, meta: { error: ended } })).toBe('warn');
    expect(toLevel({ level: 'ERROR', message })).toBe('error');
  });
});

describe('createSink', () => {
  test('logs once a minute that Temporal is away, and everything else as it comes', () => {
    const lines: string[] = [];
    const add = (level: string) => (_fields: object, message: string) => {
      lines.push(`${level}: ${message}`);
    };
    let now = 0;
    const sink = createSink(
      { debug: add('debug'), info: add('info'), warn: add('warn'), error: add('error') },
      () => now,
    );
    const message = 'gRPC call poll_workflow_task_queue retried 17 times';
    for (now of [0, 1_000, 59_999, 60_000, 61_000]) sink({ level: 'ERROR', message });
    for (const again of ['first', 'second']) sink({ level: 'ERROR', message: again });
    const away = 'warn: Temporal does not answer; trying again until it does';
    expect(lines).toEqual([away, away, 'error: first', 'error: second']);
  });
});

describe('toFields', () => {
  test('keeps the message of a known fault, but not the task token', () => {
    const error = toFailure(new ServiceError('unavailable', 'HSM could not be reached.'));
    expect(toFields({ ...about, taskToken: 'CiQw', error })).toEqual({
      ...about,
      why: 'HSM could not be reached.',
    });
  });

  test('keeps why a session has failed', () => {
    const error = ApplicationFailure.nonRetryable('site.yml could not run', 'PLAYBOOK_ERROR');
    expect(toFields({ error })).toEqual({ why: 'site.yml could not run' });
    expect(toFields({ error: copy(error) })).toEqual({ why: 'site.yml could not run' });
  });

  test('finds the fault of the activity that failed a workflow', () => {
    const fail = (cause: ApplicationFailure) =>
      new ActivityFailure('Activity task failed', 'sweep', '1', 'TIMEOUT', 'worker', cause);
    const fault = ApplicationFailure.create({
      ...{ type: 'unavailable', message: 'The database does not answer.' },
      cause: new Error('of another process'),
    });
    expect(toFields({ error: fail(fault) })).toEqual({ why: fault.message });
    const defect = fail(ApplicationFailure.create({ type: 'TypeError', message: 'x' }));
    expect(toFields({ error: defect })).toEqual({ err: defect });
  });

  test('keeps the stack of a defect', () => {
    const error = new TypeError('x is undefined');
    expect(toFields({ ...about, error })).toEqual({ ...about, err: error });
  });

  test('keeps values that are no errors', () => {
    expect(toFields({ ...about, error: 'text' })).toEqual({ ...about, error: 'text' });
    expect(toFields(about)).toEqual(about);
  });
});
