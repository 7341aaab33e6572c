import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openHttpService, type HttpService } from './http-service.js';

let service: HttpService;
beforeAll(async () => {
  service = await openHttpService();
});
afterAll(() => service.close());

const patch = (origin: string, other = service) =>
  other.ask('PATCH', '/v3/options', {}, { origin });

describe('without tokens', () => {
  test.each(['http://evil.example.com', 'null', 'http://127.0.0.1:1', ''])(
    'a page of %j may not change anything',
    async (origin) => {
      expect(await patch(origin)).toMatchObject({ status: 403, body: { title: 'Forbidden' } });
      expect((await service.ask('GET', '/v3/options', undefined, { origin })).status).toBe(200);
    },
  );

  test('a page of this address may', async () => {
    expect((await patch(service.url)).status).toBe(200);
  });

  test('a page behind a name that leads here may neither change nor read anything', async () => {
    const host = 'evil.example.com';
    const headers = { origin: `http://${host}`, host };
    expect((await service.ask('PATCH', '/v3/options', {}, headers)).status).toBe(403);
    const read = await service.ask('GET', '/v3/options', undefined, { host });
    expect(read).toMatchObject({
      status: 403,
      body: { detail: expect.stringContaining('evil.example.com is not known') },
    });
  });

  test.each(['localhost:1', '[::1]:1', '10.1.2.3', 'keelson', 'cfs.example.org:8443'])(
    'requests for %s are answered',
    async (host) => {
      const publicUrl = 'https://cfs.example.org';
      const other = await openHttpService({ publicUrl });
      const { status } = await other.ask('GET', '/v3/options', undefined, { host });
      expect(status).toBe(200);
      await other.close();
    },
  );
});

test('with tokens the token decides', async () => {
  const token = 'a-token-of-tests-1';
  const other = await openHttpService({
    auth: { kind: 'tokens', tokens: [{ token, role: 'write', name: 'ann' }] },
  });
  const headers = { origin: 'http://ui.example.com', authorization: `Bearer ${token}` };
  expect((await other.ask('PATCH', '/v3/options', {}, headers)).status).toBe(200);
  await other.close();
});
