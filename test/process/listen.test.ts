import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { expect, test } from '@jest/globals';
import { Hono } from 'hono';
import { listen } from '../../src/process/listen.js';
import { waitFor } from '../support/wait.js';

const ADDRESS = { host: '127.0.0.1', port: 0 };

/** A route that answers when told to. */
function createSlowApp() {
  const asked = Promise.withResolvers<undefined>();
  const told = Promise.withResolvers<undefined>();
  const app = new Hono().get('/', async (c) => {
    asked.resolve(undefined);
    await told.promise;
    return c.text('done');
  });
  return { app, asked: asked.promise, answer: () => told.resolve(undefined) };
}

test('a request made before the close is answered, and no other is accepted', async () => {
  const { app, asked, answer } = createSlowApp();
  const listener = await listen(app, ADDRESS);
  const answered = fetch(listener.url);
  await asked;
  const closed = listener.close();
  await expect(fetch(listener.url)).rejects.toThrow();
  answer();
  const response = await answered;
  expect(response.headers.get('connection')).toBe('close');
  expect(await response.text()).toBe('done');
  await closed;
});

test('an answer that never comes delays the close only for a while', async () => {
  const { app, asked } = createSlowApp();
  const listener = await listen(app, ADDRESS);
  const answered = fetch(listener.url).catch(() => 'cut');
  await asked;
  await listener.close();
  expect(await answered).toBe('cut');
});

test('a client that says nothing is probed, because it may have vanished', async () => {
  const { app } = createSlowApp();
  const listener = await listen(app, ADDRESS);
  const client = connect(Number(new URL(listener.url).port), ADDRESS.host);
  await once(client, 'connect');
  await waitFor(() => readTimer(client.remotePort, client.localPort) === KEEP_ALIVE, {
    what: 'the timer of keep-alive',
  });
  client.destroy();
  await listener.close();
});

/** See https://docs.kernel.org/networking/proc_net_tcp.html. */
const KEEP_ALIVE = '02';

/** The kind of timer that the system keeps for a connection. */
function readTimer(local = 0, remote = 0): string | undefined {
  const toHex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0');
  const ends = new RegExp(`:${toHex(local)} \\w+:${toHex(remote)} \\w+ \\S+ (\\w+):`);
  return ends.exec(readFileSync('/proc/net/tcp', 'utf8'))?.[1];
}
