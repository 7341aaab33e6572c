import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseTokens } from '../../src/api/auth.js';
import { openService, type TestService } from './service.js';

const READER = 'reader-token-0123456789';
const WRITER = 'writer-token-0123456789';

let service: TestService;
beforeAll(async () => {
  service = await openService({
    auth: {
      kind: 'tokens',
      tokens: parseTokens(`# who may\n\n${READER} read monitoring\n${WRITER} write  alice\r\n`),
    },
  });
});
afterAll(() => service.close());

const bearer = (token: string) => new Headers({ authorization: `Bearer ${token}` });

describe('authentication', () => {
  test.each([
    undefined,
    new Headers({ authorization: 'Basic YTpi' }),
    bearer('wrong-token-0123456789'),
    bearer(`${WRITER}x`),
  ])('is asked for (%#)', async (headers) => {
    const answer = await service.ask('GET', '/v3/options', undefined, headers);
    expect(answer).toMatchObject({ status: 401, body: { title: 'Unauthorized' } });
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  });

  test('lets a reader read and nothing else', async () => {
    const read = await service.ask('GET', '/v3/options', undefined, bearer(READER));
    expect(read.status).toBe(200);
    const write = await service.ask('PATCH', '/v3/options', {}, bearer(READER));
    expect(write).toMatchObject({
      status: 403,
      body: { title: 'Forbidden', detail: expect.stringContaining('monitoring') },
    });
  });

  test('lets a writer write, and records who cancelled', async () => {
    const body = { name: 'a', configuration_name: 'debug_noop' };
    const created = await service.ask('POST', '/v3/sessions', body, bearer(WRITER));
    expect(created.status).toBe(201);
    const path = '/v3/sessions/a/cancel';
    const cancelled = await service.ask('POST', path, {}, bearer(WRITER));
    expect(cancelled.body).toMatchObject({
      status: { session: { message: 'Cancelled by alice before it started' } },
    });
  });

  test.each(['/healthz/live', '/healthz/ready', '/apis/cfs/healthz/ready'])(
    'leaves %s open',
    async (path) => {
      expect((await service.ask('GET', path)).status).toBe(200);
    },
  );

  test('keeps tokens out of the log', () => {
    expect(JSON.stringify(service.lines)).not.toMatch(/-token-/);
  });
});

describe('parseTokens', () => {
  test.each(['short read a', `${READER} admin a`, READER, `${READER} read`])(
    'names the line of %j',
    (line) => {
      expect(() => parseTokens(`# a\n${line}`)).toThrow('Line 2');
    },
  );
});
