import { expect, test } from '@jest/globals';
import { Hono } from 'hono';
import { listen } from '../../src/process/listen.js';

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
