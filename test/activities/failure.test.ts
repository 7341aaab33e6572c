import { describe, expect, test } from '@jest/globals';
import { DefaultFailureConverter, defaultPayloadConverter } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createFaultTranslation } from '../../src/activities/failure.js';
import { toStepFailure } from '../../src/core/step-failure.js';
import { ServiceError, setBack, type Fault } from '../../src/core/errors.js';

/** Runs the interceptor around an activity that throws, in an activity of this type. */
async function translate(
  error: Error,
  activityType = 'claimSession',
  translation = createFaultTranslation(),
  runId = 'first',
): Promise<unknown> {
  const environment = new MockActivityEnvironment(
    { activityType, workflowExecution: { workflowId: 'cfs-a-0123abcd', runId } },
    { logger: new DefaultLogger('ERROR') },
  );
  const { inbound } = translation(environment.context);
  return environment
    .run(
      () =>
        inbound?.execute?.({ args: [], headers: {} }, () => Promise.reject(error)) ??
        Promise.resolve(),
    )
    .catch((thrown: unknown) => thrown);
}

describe('createFaultTranslation', () => {
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
  ])('makes %s final: %s', async (fault, nonRetryable) => {
    const error = new ServiceError(fault, 'a fact', { reason: 'GIT_REF' });
    expect(await translate(error)).toMatchObject({
      name: 'ApplicationFailure',
      type: fault,
      message: 'a fact',
      nonRetryable,
      details: [{ reason: 'GIT_REF' }],
    });
  });

  test('tells that the database was set back', async () => {
    expect(await translate(setBack('cfs-a-0123abcd', 'the plan'))).toMatchObject({
      nonRetryable: true,
      message:
        'The database has lost the plan of job cfs-a-0123abcd: it was set back to an earlier moment.',
      details: [{ reason: 'INTERNAL', isSetBack: true }],
    });
  });

  test('keeps the reason of a failure whose texts are longer than Temporal takes', async () => {
    const long = 'x'.repeat(3_000_000);
    const error = new ServiceError('invalid', `a ${long}`, {
      reason: 'GIT_REF',
      cause: new Error(long),
    });
    const thrown = await translate(error);
    expect(toStepFailure(thrown)).toMatchObject({ reason: 'GIT_REF' });
    const sent = new DefaultFailureConverter().errorToFailure(thrown, defaultPayloadConverter);
    expect(JSON.stringify(sent).length).toBeLessThan(50_000);
  });

  test('leaves a defect to the policy, whatever it is', async () => {
    const defect = new TypeError('x is undefined');
    expect(await translate(defect, 'claimSession')).toBe(defect);
  });

  test('ends an observer by its tenth defect in a row, and starts anew after another fault', async () => {
    const translation = createFaultTranslation();
    const defect = new TypeError('x is undefined');
    for (let count = 1; count < 10; count += 1) {
      expect(await translate(defect, 'ansible', translation)).toBe(defect);
    }
    await translate(new ServiceError('unavailable', 'away'), 'ansible', translation);
    for (let count = 1; count < 10; count += 1) {
      expect(await translate(defect, 'ansible', translation)).toBe(defect);
    }
    const last = await translate(defect, 'ansible', translation);
    expect(last).toMatchObject({ type: 'INTERNAL', nonRetryable: true });
    expect(toStepFailure(last)).toEqual({
      reason: 'INTERNAL',
      message:
        'The step ansible has failed 10 times in a row, and the log of the worker says where: x is undefined',
    });
  });

  test('does not count what failed in an earlier run of the workflow', async () => {
    const translation = createFaultTranslation();
    const defect = new TypeError('x is undefined');
    for (const runId of ['first', 'second'])
      for (let count = 1; count < 10; count += 1)
        expect(await translate(defect, 'ansible', translation, runId)).toBe(defect);
  });

  test('ends a launch by its 25th failure in a row that is the job’s own, with its reason', async () => {
    const translation = createFaultTranslation();
    const own = new ServiceError('unavailable', 'no key', { reason: 'INTERNAL' });
    const attempt = (error: Error) => translate(error, 'launchJob', translation);
    for (let count = 1; count < 25; count += 1)
      expect(await attempt(own)).toMatchObject({ nonRetryable: false });
    await attempt(new ServiceError('unavailable', 'The database does not answer.'));
    for (let count = 1; count < 25; count += 1)
      expect(await attempt(own)).toMatchObject({ nonRetryable: false });
    expect(await attempt(own)).toMatchObject({
      message: 'no key',
      nonRetryable: true,
      details: [{ reason: 'INTERNAL' }],
    });
  });

  test('lets no step fail for a database that is away, however often it is asked', async () => {
    const translation = createFaultTranslation();
    const away = new ServiceError('unavailable', 'The database does not answer.');
    for (let count = 0; count < 100; count += 1)
      expect(await translate(away, 'stageInventory', translation)).toMatchObject({
        nonRetryable: false,
      });
  });

  test('lets a cancel pass', async () => {
    const cancel = Object.assign(new Error('CANCELLED'), { name: 'CancelledFailure' });
    expect(await translate(cancel, 'ansible')).toBe(cancel);
  });
});
