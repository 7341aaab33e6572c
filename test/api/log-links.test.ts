import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openHttpService, type HttpService } from './http-service.js';

let service: HttpService;
beforeAll(async () => {
  service = await openHttpService();
  await service.ask('POST', '/v3/sessions', { name: 'a.b', configuration_name: 'debug_noop' });
});
afterAll(() => service.close());

const read = async (prefix = '') =>
  ((await service.ask('GET', `${prefix}/v3/sessions/a.b`)).body as { logs: string | null }).logs;

describe('logs of a session', () => {
  test('leads to its log, at the address of the request', async () => {
    expect(await read()).toBe(`${service.url}/v3/sessions/a.b/logs`);
    const link = await read('/apis/cfs');
    expect(link).toBe(`${service.url}/apis/cfs/v3/sessions/a.b/logs`);
    expect(await read('//apis//cfs/')).toBe(link);
    const { body } = await service.ask('GET', '/v3/sessions');
    expect(body).toMatchObject({ sessions: [{ logs: await read() }] });
    expect((await fetch(link ?? '')).status).toBe(200);
  });

  test('is null without include_ara_links', async () => {
    await service.ask('PATCH', '/v3/options', { include_ara_links: false });
    expect(await read()).toBeNull();
    await service.ask('PATCH', '/v3/options', { include_ara_links: true });
  });

  test('uses PUBLIC_URL if it is set', async () => {
    const publicUrl = 'https://api.example.com/apis/cfs';
    const other = await openHttpService({ publicUrl });
    const { body } = await other.ask('POST', '/v3/sessions', {
      name: 'a',
      configuration_name: 'debug_noop',
    });
    expect(body).toMatchObject({ logs: `${publicUrl}/v3/sessions/a/logs` });
    await other.close();
  });
});
