import { describe, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { translateFaults } from '../../src/activities/failure.js';
import { ServiceError, type Fault } from '../../src/core/errors.js';

/** Runs the interceptor around an activity that throws, in attempt `attempt` of an activity of this type. */
async function translate(
  error: Error,
  activityType = 'claimSession',
  attempt = 1,
): Promise<unknown> {
  const environment = new MockActivityEnvironment(
    { activityType, attempt },
    { logger: new DefaultLogger('ERROR') },
  );
  const { inbound } = translateFaults(environment.context);
  return environment
    .run(
      () =>
        inbound?.execute?.({ args: [], headers: {} }, () => Promise.reject(error)) ??
        Promise.resolve(),
    )
    .catch((thrown: unknown) => thrown);
}

describe('translateFaults', () => {
  test.each<[Fault, boolean]>([
    ['invalid', true],
    ['forbidden', true],
    ['missing', true],
    ['conflict', true],
    ['rejected', true],
    ['unavailable', false],
    ['unauthenticated', true],
    ['gone', true],
    ['too_large', true],
    ['busy', false],
  ])('lets %s be final: %s', async (fault, nonRetryable) => {
    const error = new ServiceError(fault, 'a fact', { reason: 'GIT_REF' });
    expect(await translate(error)).toMatchObject({
      name: 'ApplicationFailure',
      type: fault,
      message: 'a fact',
      nonRetryable,
      details: [{ reason: 'GIT_REF' }],
    });
  });

  test('leaves a defect to the policy, whatever it is', async () => {
    const defect = new TypeError('x is undefined');
    expect(await translate(defect, 'claimSession', 50)).toBe(defect);
  });

  test('ends an observer by a defect only at its tenth try', async () => {
    const defect = new TypeError('x is undefined');
    expect(await translate(defect, 'ansible', 9)).toBe(defect);
    expect(await translate(defect, 'ansible', 10)).toMatchObject({
      type: 'INTERNAL',
      nonRetryable: true,
    });
  });

  test('lets a cancel pass', async () => {
    const cancel = Object.assign(new Error('CANCELLED'), { name: 'CancelledFailure' });
    expect(await translate(cancel, 'ansible', 10)).toBe(cancel);
  });
});
