import { describe, expect, test } from '@jest/globals';
import { toStepFailure } from '../../src/core/step-failure.js';

const activityFailure = (cause?: unknown) => ({
  name: 'ActivityFailure',
  message: 'Activity task failed',
  cause,
});
const rejected = {
  name: 'ApplicationFailure',
  message: 'HSM said no.',
  details: [{ reason: 'INVENTORY' }],
};

describe('toStepFailure', () => {
  test('takes reason and message from what the activity threw', () => {
    expect(toStepFailure(activityFailure(rejected))).toEqual({
      reason: 'INVENTORY',
      message: 'HSM said no.',
    });
  });

  test('takes the innermost reason', () => {
    const outer = { ...rejected, message: 'outer', details: [{ reason: 'INTERNAL' }] };

    expect(toStepFailure({ ...outer, cause: activityFailure(rejected) }).reason).toBe('INVENTORY');
  });

  test.each([
    ['says', true, { isSetBack: true }],
    ['does not say', 'true', {}],
  ])('%s that the database was set back', (_, isSetBack, told) => {
    const error = { ...rejected, details: [{ reason: 'INTERNAL', isSetBack }] };

    expect(toStepFailure(activityFailure(error))).toEqual({
      ...{ reason: 'INTERNAL', message: 'HSM said no.' },
      ...told,
    });
  });

  test('finds the reason below a time-out', () => {
    const timeout = { name: 'TimeoutFailure', message: 'activity timed out', cause: rejected };

    expect(toStepFailure(activityFailure(timeout)).reason).toBe('INVENTORY');
  });

  test('has no reason for a step that was cancelled', () => {
    const cancelled = { name: 'CancelledFailure', message: 'CANCELED' };

    expect(toStepFailure(activityFailure(cancelled))).toEqual({ message: 'cancelled' });
    expect(toStepFailure(cancelled)).toEqual({ message: 'cancelled' });
  });

  test.each<[string, unknown, string]>([
    ['a defect', activityFailure(new Error('x is not a function')), 'x is not a function'],
    ['a bare activity failure', activityFailure(), 'Activity task failed'],
    ['a string', 'broken', 'broken'],
    ['nothing', undefined, 'undefined'],
    ['null', null, 'undefined'],
    ['details that are no object', { ...rejected, details: ['x'] }, 'HSM said no.'],
    ['details that are no array', { ...rejected, details: 7 }, 'HSM said no.'],
    ['a reason that is no text', { ...rejected, details: [{ reason: 7 }] }, 'HSM said no.'],
    ['details of null', { ...rejected, details: [null] }, 'HSM said no.'],
  ])('takes %s for a defect of ours', (_title, error, message) => {
    expect(toStepFailure(error)).toEqual({ reason: 'INTERNAL', message });
  });

  test('comes to an end where causes go round', () => {
    const error: { message: string; cause?: unknown } = { message: 'round' };
    error.cause = error;

    expect(toStepFailure(error)).toEqual({ reason: 'INTERNAL', message: 'round' });
  });
});
