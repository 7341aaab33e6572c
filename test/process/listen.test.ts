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

test('doubled slashes in a path are taken for one, those in a query stay', async () => {
  const app = new Hono().get('*', (c) => c.text(c.req.url.slice(listener.url.length)));
  const listener = await listen(app, ADDRESS);
  const answered = await fetch(`${listener.url}//a///b/?c=d//e`);
  expect(await answered.text()).toBe('/a/b/?c=d//e');
  await listener.close();
});

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
  const seconds = await waitFor(() => readProbe(client.remotePort, client.localPort), {
    what: 'the timer of keep-alive',
  });
  // The system's own default is two hours.
  expect(seconds).toBeLessThanOrEqual(60);
  client.destroy();
  await listener.close();
});

/** See https://docs.kernel.org/networking/proc_net_tcp.html. */
const KEEP_ALIVE = '02';
const TICKS_PER_SECOND = 100;

/** After how many seconds the system next probes a connection. */
function readProbe(local = 0, remote = 0): number | undefined {
  const toHex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0');
  const ends = `:${toHex(local)} \\w+:${toHex(remote)} \\w+ \\S+ ${KEEP_ALIVE}:(\\w+)`;
  const [, ticks] = new RegExp(ends).exec(readFileSync('/proc/net/tcp', 'utf8')) ?? [];
  return ticks === undefined ? undefined : parseInt(ticks, 16) / TICKS_PER_SECOND;
}
