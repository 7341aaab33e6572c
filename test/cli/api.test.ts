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
});
