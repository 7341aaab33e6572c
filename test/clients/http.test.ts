import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { fetchJson, type JsonRequest } from '../../src/clients/http.js';
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
