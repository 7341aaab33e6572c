import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createApi } from '../../src/cli/api.js';

/** Takes each connection and says nothing, like a service that hangs. */
const server = createServer();
beforeAll(() => new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve)));
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

describe('createApi', () => {
  const open = () => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { signal } = new AbortController();
    return { url, api: createApi({ url, signal, answerMs: 50 }) };
  };

  test.each(['ask', 'open'] as const)('gives up on a service that hangs (%s)', async (how) => {
    const { url, api } = open();
    const asked = how === 'ask' ? api.ask('GET', '/v3/options') : api.open('/v3/options');
    await expect(asked).rejects.toMatchObject({
      message: `No answer from ${url} within 0.05 s.`,
      isPassing: true,
    });
  });

  test('says that the service is asking git servers', async () => {
    const said: string[] = [];
    const slow = createServer((request, response) => {
      request.resume();
      const timer = setInterval(() => {
        if (said.length > 0) response.end('{}');
      }, 5);
      response.once('close', () => clearInterval(timer));
    });
    await new Promise<void>((resolve) => void slow.listen(0, '127.0.0.1', resolve));
    try {
      const url = `http://127.0.0.1:${(slow.address() as AddressInfo).port}`;
      const { signal } = new AbortController();
      const api = createApi({ url, signal, slowMs: 1, notify: (line) => void said.push(line) });
      for (const [method, path] of [
        ['PUT', '/v3/configurations/x'],
        ['POST', '/v3/sessions/x/apply'],
      ] as const) {
        said.length = 0;
        expect(await api.ask(method, path, {})).toEqual({});
        expect(said).toEqual([expect.stringContaining('git servers')]);
      }
    } finally {
      slow.closeAllConnections();
      slow.close();
    }
  });
});
