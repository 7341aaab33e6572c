import { describe, expect, test } from '@jest/globals';
import { invalid, isServiceError, missing, ServiceError } from '../../src/core/errors.js';

describe('ServiceError', () => {
  test('carries fault, title, reason and cause', () => {
    const cause = new Error('below');
    const error = new ServiceError('rejected', 'No.', {
      cause,
      title: 'Refused',
      reason: 'GIT_REF',
    });

    expect(error).toMatchObject({
      fault: 'rejected',
      message: 'No.',
      title: 'Refused',
      reason: 'GIT_REF',
      cause,
    });
  });

  test('has no cause if none was given', () => {
    expect('cause' in new ServiceError('busy', 'Later.')).toBe(false);
  });
});

describe('isServiceError', () => {
  test.each([
    ['our own', invalid('x'), true],
    ['one of another realm', { name: 'ServiceError', fault: 'invalid', message: 'x' }, true],
    ['another error', new Error('x'), false],
    ['an error of that name without a fault', { name: 'ServiceError' }, false],
    ['null', null, false],
    ['a string', 'ServiceError', false],
  ])('knows %s', (_what, value, expected) => {
    expect(isServiceError(value)).toBe(expected);
  });
});

describe('invalid, missing', () => {
  test('take a title from the API', () => {
    expect(invalid('Bad.', 'Bad title')).toMatchObject({ fault: 'invalid', title: 'Bad title' });
    expect(invalid('Bad.').title).toBeUndefined();
  });

  test('name what is missing', () => {
    expect(missing('Session', 'a')).toMatchObject({
      fault: 'missing',
      message: 'Session a could not be found',
      title: 'Session not found.',
    });
  });
});
