import { describe, expect, test } from '@jest/globals';
import { Hono } from 'hono';
import type { Logger } from '../../src/api/dependencies.js';
import { createProblemHandler } from '../../src/api/problem.js';
import { ServiceError, type Fault } from '../../src/core/errors.js';

const logged: object[] = [];
const note = (fields: object) => void logged.push(fields);
const logger: Logger = { debug: note, info: note, warn: note, error: note };

function fail(error: unknown): Promise<Response> {
  const app = new Hono();
  app.onError(createProblemHandler(logger));
  app.get('/', () => {
    throw error;
  });
  return Promise.resolve(app.request('/'));
}

describe('createProblemHandler', () => {
  test.each<[Fault, number, string]>([
    ['invalid', 400, 'Bad Request'],
    ['unauthenticated', 401, 'Unauthorized'],
    ['forbidden', 403, 'Forbidden'],
    ['missing', 404, 'Not Found'],
    ['conflict', 409, 'Conflict'],
    ['gone', 410, 'Gone'],
    ['too_large', 413, 'Content Too Large'],
    ['busy', 429, 'Too Many Requests'],
    ['rejected', 502, 'Bad Gateway'],
    ['unavailable', 503, 'Service Unavailable'],
  ])('answers %s with %d', async (fault, status, title) => {
    const response = await fail(new ServiceError(fault, 'What is the matter.'));
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.json()).toEqual({
      type: 'about:blank',
      title,
      status,
      detail: 'What is the matter.',
    });
    const mayComeAgain = fault === 'busy' || fault === 'unavailable';
    expect(response.headers.get('retry-after')).toBe(mayComeAgain ? '1' : null);
  });

  test('takes the title that the contract fixes', async () => {
    const response = await fail(new ServiceError('invalid', 'x', { title: 'Invalid tenant' }));
    expect(await response.json()).toMatchObject({ title: 'Invalid tenant' });
  });

  test('hides a defect from the caller and logs it with its cause', async () => {
    const defect = new TypeError('secret detail');
    const response = await fail(defect);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('secret');
    expect(logged).toContainEqual({ err: defect, method: 'GET', path: '/' });
  });
});
