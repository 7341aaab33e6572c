import { once } from 'node:events';
import { createServer } from 'node:http';
import { request as requestHttps } from 'node:https';
import { buffer } from 'node:stream/consumers';
import { KubeConfig } from '@kubernetes/client-node';

/**
 * A request to Kubernetes. `kind` is as in its path, `jobs` or `pods/log`; `about` is path and body, which name the object.
 * @typedef {{ readonly method: string, readonly kind: string, readonly about: string }} ApiCall
 */

/**
 * @typedef {object} CallHold
 * @property {(call: ApiCall) => boolean} isMeant called for each call in order, until it returns true
 * @property {'before' | 'after'} when `before`: the call does not reach Kubernetes; `after`: the answer does not reach the client
 */

/** @typedef {Awaited<ReturnType<typeof startApiServerProxy>>} ApiServerProxy */

/**
 * A proxy for Kubernetes over plain HTTP on loopback that records calls and can hold some of them.
 * @param {KubeConfig} config of Kubernetes
 */
export async function startApiServerProxy(config) {
  /** @type {ApiCall[]} */
  const calls = [];
  /** @type {Map<CallHold, () => void>} */
  const holds = new Map();
  const handle = async (
    /** @type {import('node:http').IncomingMessage} */ request,
    /** @type {import('node:http').ServerResponse} */ response,
  ) => {
    const body = await buffer(request);
    const call = toCall(request, body);
    calls.push(call);
    const [hold, tell] = [...holds].find(([each]) => each.isMeant(call)) ?? [];
    if (hold !== undefined) holds.delete(hold);
    if (hold?.when === 'before') {
      tell?.();
      return;
    }
    const answer = await forward(config, request, body, response);
    if (hold === undefined) {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
      return;
    }
    await buffer(answer);
    tell?.();
  };
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const through = new KubeConfig();
  through.loadFromClusterAndUser(
    { name: 'through', server: `http://127.0.0.1:${port}`, skipTLSVerify: true },
    { name: 'nobody' },
  );
  return {
    calls,
    /** In the format of a kubeconfig file. */
    kubeconfig: through.exportConfig(),
    /**
     * Resolves when the call is held, which it is until the client has gone.
     * @param {CallHold} hold @returns {Promise<void>}
     */
    hold: (hold) => new Promise((resolve) => holds.set(hold, resolve)),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/**
 * @param {import('node:http').IncomingMessage} request @param {Buffer} body
 * @returns {ApiCall}
 */
function toCall({ method = '', url = '' }, body) {
  const [, kind = ''] = /\/namespaces\/[^/]+\/([^/?]+)/.exec(url) ?? [];
  const isWatch = /[?&]watch=true/.test(url);
  return {
    method: isWatch ? 'WATCH' : method,
    kind: /\/log\?/.test(url) ? `${kind}/log` : kind,
    about: `${url} ${body.toString()}`,
  };
}

/**
 * @param {KubeConfig} config @param {import('node:http').IncomingMessage} incoming @param {Buffer} body
 * @param {import('node:http').ServerResponse} response
 * @returns {Promise<import('node:http').IncomingMessage>}
 */
async function forward(config, { method, url = '', headers }, body, response) {
  const target = new URL(`${config.getCurrentCluster()?.server ?? ''}${url}`);
  const options = { ...(method === undefined ? {} : { method }), headers: { ...headers } };
  options.headers.host = target.host;
  await config.applyToHTTPSOptions(options);
  const request = requestHttps(target, options);
  response.on('close', () => request.destroy());
  request.end(body);
  const [answer] = await once(request, 'response');
  answer.on('error', () => response.destroy());
  return answer;
}
