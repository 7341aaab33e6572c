import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { at } from '../support/store-builders.js';
import { openService, type TestService } from './service.js';

let service: TestService;
beforeAll(async () => {
  service = await openService({ customizesImages: true });
});
afterAll(() => service.close());

const post = (name: string, body: object = {}, to = service) =>
  to.ask('POST', '/v3/sessions', {
    ...{ name, configuration_name: 'debug_noop', check_mode: true },
    ...body,
  });

describe('POST /v3/sessions with check_mode', () => {
  test('returns a session with check_mode and the options of check mode in its passthrough', async () => {
    const answer = await post('first', { ansible_passthrough: '--tags a' });
    expect(answer).toMatchObject({
      status: 201,
      body: {
        ansible: { passthrough: '--check --diff --tags a' },
        status: { session: { check_mode: true } },
      },
    });
    expect((await service.ask('GET', '/v3/sessions/first')).body).toEqual(answer.body);
    const old = (await service.ask('GET', '/v2/sessions/first')).body;
    expect(old).toMatchObject({ ansible: { passthrough: '--check --diff --tags a' } });
    expect(JSON.stringify(old)).not.toMatch(/check_?mode/i);
  });

  test('makes an ordinary session if it is false', async () => {
    expect(await post('plain', { check_mode: false })).toMatchObject({
      body: { ansible: { passthrough: '' }, status: { session: { check_mode: false } } },
    });
    expect((await service.store.sessions.find('plain'))?.request).not.toHaveProperty('checkMode');
  });

  test('stays a check when it is retried', async () => {
    const { jobId } = (await service.store.sessions.find('first')) ?? { jobId: '' };
    await service.store.sessions.recordOutcome(jobId, { succeeded: 'false' }, at(30));
    expect(await service.ask('POST', '/v3/sessions/first/retry')).toMatchObject({
      status: 201,
      body: {
        ansible: { passthrough: '--check --diff --tags a' },
        status: { session: { check_mode: true, retry_of: 'first' } },
      },
    });
  });

  test.each([
    ['flags that a check sets by itself', { ansible_passthrough: '--check' }, /--check/],
    ['another type', { check_mode: 'yes' }, /check_mode/],
    ['null', { check_mode: null }, /check_mode/],
    [
      'an image',
      {
        target: {
          definition: 'image',
          groups: [{ name: 'a', members: ['5c1a4a0e-4a6b-4c8e-9d5e-2f6f1f3f8f0a'] }],
        },
      },
      /makes no image.*'check_mode'$/,
    ],
  ])('is 400 with %s', async (_, body, detail) => {
    expect(await post('refused', body)).toMatchObject({
      ...{ status: 400, body: { detail: expect.stringMatching(detail) } },
    });
    expect(await service.store.sessions.find('refused')).toBeUndefined();
  });

  test('is 400 if an external operator would run it', async () => {
    const outside = await openService({ isExternal: true });
    try {
      expect(await post('refused', {}, outside)).toMatchObject({
        ...{ status: 400, body: { detail: expect.stringMatching(/RUNNER=none/) } },
      });
    } finally {
      await outside.close();
    }
  });

  test('is unknown to v2', async () => {
    const body = { name: 'old', configurationName: 'a', check_mode: true };
    expect((await service.ask('POST', '/v2/sessions', body)).status).toBe(400);
  });
});
