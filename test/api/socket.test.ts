import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openHttpService, type HttpService } from './http-service.js';

let service: HttpService;
let url: string;
beforeAll(async () => {
  service = await openHttpService({ maxBodyBytes: 1024 * 1024 });
  url = service.url;
});
afterAll(() => service.close());

const post = (body: string | ReadableStream<Uint8Array>) =>
  fetch(`${url}/v3/sessions`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', connection: 'close' },
    ...(typeof body === 'string' ? {} : { duplex: 'half' as const }),
  });

describe('over a socket', () => {
  test('takes a session and deletes it', async () => {
    const created = await post(JSON.stringify({ name: 'a', configuration_name: 'debug_noop' }));
    expect(created.status).toBe(201);
    const deleted = await fetch(`${url}/v3/sessions/a`, { method: 'DELETE' });
    expect(deleted.status).toBe(204);
    expect(await deleted.text()).toBe('');
  });

  test('keeps a connection for longer than its clients do', async () => {
    const { headers } = await fetch(`${url}/healthz/live`);
    expect(headers.get('keep-alive')).toBe('timeout=75');
  });

  test('refuses a body without a length once it is too large', async () => {
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (sent > 64 * 1024 * 1024) {
          controller.close();
          return;
        }
        sent += 64 * 1024;
        controller.enqueue(new Uint8Array(64 * 1024));
      },
    });
    // The server may close before the client has read the answer.
    const status = await post(endless).then(
      (answer) => answer.status,
      () => 'closed',
    );
    expect([413, 'closed']).toContain(status);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    expect((await fetch(`${url}/healthz/live`)).status).toBe(200);
  });
});
