import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { createGate } from '../../src/api/gate.js';
import { waitFor } from '../support/wait.js';
import { openHttpService } from './http-service.js';

const MOST = 20;

test('too many new sessions at once are refused as busy, and all others are stored', async () => {
  let open: (() => void) | undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  let arrived = 0;
  const service = await openHttpService({
    requireRoom: () => {
      arrived += 1;
      return opened;
    },
  });
  const post = (name: string, path = '/v3/sessions') =>
    service.ask('POST', path, { name, configuration_name: 'debug_noop' });
  const taken = Array.from({ length: MOST }, (_, index) => post(`s${index}`));
  await waitFor(() => arrived === MOST);

  for (const path of [
    ...['/v3/sessions', '/apis/cfs/v2/sessions?x=1'],
    ...['/v3/sessions/s0/retry', '/v3/sessions/s0/apply'],
    ...['//v3/sessions', '/apis/cfs//v3//sessions/s0//retry'],
  ]) {
    const refused = await post('one-more', path);
    expect(refused).toMatchObject({
      status: 429,
      body: {
        type: 'about:blank',
        title: 'Too Many Requests',
        status: 429,
        detail: '20 new sessions are already being handled.',
      },
    });
    expect(refused.headers.get('content-type')).toBe('application/problem+json');
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
  }
  expect((await service.ask('GET', '/v3/sessions')).status).toBe(200);
  expect((await service.ask('POST', '/v3/sessions/nobody/cancel')).status).toBe(404);

  const waiting = post('waiting');
  open?.();
  for (const { status } of await Promise.all([...taken, waiting])) expect(status).toBe(201);
  expect((await post('one-more')).status).toBe(201);
  const page = await service.store.sessions.list({}, { limit: 2 * MOST });
  expect(page.items).toHaveLength(MOST + 2);
  await service.close();
});

test('requests that do not send their body do not block others for long', async () => {
  const service = await openHttpService();
  const { hostname, port } = new URL(service.url);
  const head = `POST /v3/sessions HTTP/1.1\r\nHost: ${hostname}\r\nContent-Length: 100\r\n\r\n`;
  let answers = '';
  const silent = Array.from({ length: 2 * MOST }, () =>
    connect(Number(port), hostname).on('data', (bytes) => (answers += bytes.toString())),
  );
  for (const socket of silent) socket.write(head);
  await waitFor(() => answers.includes(' 429 '), { what: 'all places taken' });
  const isTaken = async () => {
    const body = { name: 'sent', configuration_name: 'debug_noop' };
    const { status } = await service.ask('POST', '/v3/sessions', body);
    return status === 201;
  };
  await waitFor(isTaken, { what: 'a place' });
  for (const socket of silent) socket.destroy();
  await service.close();
});

test('clients that have left before the gate saw their requests take no place', async () => {
  const gate = createGate();
  const server = createServer((incoming, outgoing) => {
    const pass = () => gate(incoming, outgoing, () => outgoing.end());
    if (incoming.url === '/v3/sessions') pass();
    else {
      outgoing.once('close', pass);
      incoming.socket.destroy();
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const post = (query = '') =>
    fetch(`http://127.0.0.1:${port}/v3/sessions${query}`, { method: 'POST' });
  for (let left = 0; left < MOST; left += 1) await expect(post('?leave')).rejects.toThrow();
  const { status } = await post();
  server.close();
  server.closeAllConnections();
  expect(status).toBe(200);
});
