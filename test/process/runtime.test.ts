import { describe, expect, test } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';
import { toFailure } from '../../src/activities/failure.js';
import { ServiceError } from '../../src/core/errors.js';
import { toFields, toLevel } from '../../src/process/runtime.js';

const about = { activityType: 'stageInventory', attempt: 2 };

describe('toLevel', () => {
  const ended = ApplicationFailure.nonRetryable('site.yml could not run', 'PLAYBOOK_ERROR');
  const message = 'Workflow failed';

  test('leaves a session that failed for its own reason to who has recorded that', () => {
    expect(toLevel({ level: 'WARN', message, meta: { error: ended } })).toBe('debug');
  });

  test('keeps everything else as loud as it is', () => {
    const error = new TypeError('x is undefined');
    expect(toLevel({ level: 'WARN', message, meta: { error } })).toBe('warn');
    const activity = { level: 'WARN', message: 'Activity failed' } as const;
    expect(toLevel({ ...activity, meta: { error: ended } })).toBe('warn');
    expect(toLevel({ level: 'ERROR', message })).toBe('error');
  });
});

describe('toFields', () => {
  test('keeps the sentence of a known fault, and nothing that completes the task', () => {
    const error = toFailure(new ServiceError('unavailable', 'HSM could not be reached.'));
    expect(toFields({ ...about, taskToken: 'CiQw', error })).toEqual({
      ...about,
      why: 'HSM could not be reached.',
    });
  });

  test('keeps why a session has failed', () => {
    const error = ApplicationFailure.nonRetryable('site.yml could not run', 'PLAYBOOK_ERROR');
    expect(toFields({ error })).toEqual({ why: 'site.yml could not run' });
  });

  test('keeps the stack of a defect', () => {
    const error = new TypeError('x is undefined');
    expect(toFields({ ...about, error })).toEqual({ ...about, err: error });
  });

  test('keeps what is no error', () => {
    expect(toFields({ ...about, error: 'text' })).toEqual({ ...about, error: 'text' });
    expect(toFields(about)).toEqual(about);
  });
});
