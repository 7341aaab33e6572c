import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { fetchJson, postText, type JsonRequest } from '../../src/clients/http.js';
import { startHsmStandIn, type HsmStandIn } from '../support/hsm-stand-in.js';

describe('fetchJson, against a stand-in for HSM', () => {
  let server: HsmStandIn;
  const ask = (request: Partial<JsonRequest> = {}, signal = new AbortController().signal) =>
    fetchJson(
      {
        url: `${server.url}/groups`,
        service: 'The service',
        reason: 'INVENTORY',
        timeoutSeconds: 10,
        maxBytes: 100,
        ...request,
      },
      signal,
    );

  beforeEach(async () => {
    server = await startHsmStandIn();
  });
  afterEach(() => server.close());

  test('takes an answer of just the allowed size', async () => {
    server.misbehave.groups = { kind: 'body', body: `"${'x'.repeat(98)}"` };

    expect(await ask()).toBe('x'.repeat(98));
  });

  test('refuses a longer one', async () => {
    server.misbehave.groups = { kind: 'body', body: `"${'x'.repeat(99)}"` };

    await expect(ask()).rejects.toMatchObject({
      fault: 'rejected',
      message: `The service at ${server.url}/groups answered with more than 100 bytes.`,
    });
  });

  test('does not ask when it is aborted already', async () => {
    await expect(ask({}, AbortSignal.abort(new Error('cancelled')))).rejects.toThrow('cancelled');
    expect(server.requests).toEqual([]);
  });

  test('does not resolve a host that is not there', async () => {
    await expect(ask({ url: 'http://nowhere.invalid/' })).rejects.toMatchObject({
      fault: 'unavailable',
      message: expect.stringMatching(/could not be reached \((ENOTFOUND|EAI_AGAIN)\)/),
    });
  });
});

describe('postText, through a proxy that accepts connections and never answers', () => {
  let proxy: Server;
  let connected: Promise<Socket>;
  const post = (timeoutSeconds: number, signal = new AbortController().signal) =>
    postText(
      {
        ...{ url: 'https://receiver.example/', service: 'The receiver', timeoutSeconds },
        ...{ headers: {}, content: '{}' },
        proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
      },
      signal,
    );

  beforeEach(async () => {
    proxy = createServer((socket) => void socket.resume());
    connected = once(proxy, 'connection').then(([socket]) => socket as Socket);
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
  });
  afterEach(async () => {
    proxy.close();
    (await connected).destroy();
  });

  test('ends when its time is over, and leaves no connection', async () => {
    const posting = expect(post(0.2)).rejects.toMatchObject({
      fault: 'unavailable',
      message: 'The receiver did not answer within 0.2 s.',
    });
    const closed = once(await connected, 'close');
    await posting;
    await closed;
  });

  test('ends when it is aborted', async () => {
    const given = new AbortController();
    const posting = expect(post(600, given.signal)).rejects.toThrow('given up');
    await connected;
    given.abort(new Error('given up'));
    await posting;
  });
});
