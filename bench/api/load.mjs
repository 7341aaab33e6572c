import { Agent, request } from 'node:http';
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
// @ts-expect-error The package has no types.
import autocannon from 'autocannon';
import { pause } from '../../scripts/demo/service.mjs';

/** @typedef {{ method?: string, body?: unknown, agent?: Agent, headers?: Record<string, string>, raw?: Uint8Array }} Options */

/**
 * Sends one request and resolves to the whole body. A request other than POST is sent again if the service has just closed
 * the connection because it was idle.
 * @param {string} url @param {Options} [options] @returns {Promise<Buffer>}
 */
export async function send(url, options = {}) {
  try {
    return await sendOnce(url, options);
  } catch (error) {
    const isStale = error instanceof Error && error.cause === STALE;
    if (!isStale || options.method === 'POST') throw error;
    return send(url, options);
  }
}

const STALE = 'stale';

/** @param {string} url @param {Options} options */
async function sendOnce(url, { method = 'GET', body, agent, headers = {}, raw }) {
  const payload = raw ?? (body === undefined ? undefined : Buffer.from(JSON.stringify(body)));
  const sent = request(url, {
    method,
    ...(agent === undefined ? {} : { agent }),
    headers: {
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(payload === undefined ? {} : { 'Content-Length': payload.length }),
      ...headers,
    },
  });
  sent.end(payload);
  const [response] = await once(sent, 'response').catch((error) => {
    const isStale = sent.reusedSocket && error.code === 'ECONNRESET';
    throw isStale ? new Error('The connection was closed.', { cause: STALE }) : error;
  });
  const parts = [];
  for await (const part of response) parts.push(part);
  const answer = Buffer.concat(parts);
  if (response.statusCode >= 300)
    throw new Error(`${method} ${url} answered ${response.statusCode}: ${answer}`);
  return answer;
}

/** @param {number} [connections] */
export const createAgent = (connections = Infinity) =>
  new Agent({ keepAlive: true, maxSockets: connections });

/**
 * Answers are memory outside of V8's heap. Left alone, V8 collects the whole heap after about a hundred pages. That takes
 * longer than a page, and would be counted as the service's time.
 */
const ANSWERS_KEPT = 10;
setFlagsFromString('--expose-gc');
/** @type {(options: { type: 'minor' }) => void} */
const gc = runInNewContext('gc');
const collectGarbage = () => gc({ type: 'minor' });

/**
 * Sends requests one after the other on one connection. Returns milliseconds.
 * @param {number} count @param {(agent: Agent, index: number) => Promise<unknown>} act @param {AbortSignal} signal
 */
export async function timeInTurn(count, act, signal) {
  const agent = createAgent(1);
  const times = [];
  await act(agent, 0);
  for (let index = 0; index < count; index += 1) {
    signal.throwIfAborted();
    if (index % ANSWERS_KEPT === 0) collectGarbage();
    const start = performance.now();
    await act(agent, index);
    times.push(performance.now() - start);
  }
  agent.destroy();
  return times;
}

/**
 * Sends so many requests a second, whether the earlier ones are answered or not. Each is timed from the moment at which it
 * was due, so that a service that stalls looks no better for it. The times, in milliseconds, include how late the generator
 * sent each request, which is also returned separately.
 * @param {{ rate: number, count: number }} load
 * @param {(agent: Agent, index: number) => Promise<unknown>} act @param {AbortSignal} signal
 */
export async function timeAtRate({ rate, count }, act, signal) {
  const agent = createAgent();
  const begin = performance.now();
  const answers = [];
  const lateness = [];
  for (let index = 0; index < count; index += 1) {
    const due = begin + (index * 1000) / rate;
    await waitUntil(due, signal);
    lateness.push(performance.now() - due);
    answers.push(act(agent, index).then(() => performance.now() - due));
  }
  const times = await Promise.all(answers);
  agent.destroy();
  return { times, lateness };
}

/** Timers fire up to 2 ms late, so this one is set early and the event loop spins for the rest. @param {number} due @param {AbortSignal} signal */
async function waitUntil(due, signal) {
  const milliseconds = Math.floor(due - performance.now()) - 1;
  if (milliseconds > 0) await pause(signal, milliseconds);
  while (performance.now() < due) await setImmediate();
}

/**
 * Sends requests on so many connections, one at a time on each. Returns answers per second.
 * @param {string} url
 * @param {{ connections: number, count: number, method?: string, path: (index: number) => string, body?: (index: number) => unknown }} load
 */
export async function countInLoop(url, { connections, count, method = 'GET', path, body }) {
  let index = 0;
  /** @param {any} given */
  const setupRequest = (given) => {
    index += 1;
    const content = body?.(index);
    return {
      ...given,
      path: path(index),
      ...(content === undefined ? {} : { body: JSON.stringify(content) }),
    };
  };
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  const running = autocannon({
    url,
    connections,
    amount: count,
    requests: [{ method: /** @type {any} */ (method), headers, setupRequest }],
  });
  // autocannon notices only once a second that it is done.
  const begin = performance.now();
  let end = begin;
  running.on('response', () => (end = performance.now()));
  const result = await running;
  const seconds = (end - begin) / 1000;
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${method} ${path(0)}: ${result.non2xx} refused, ${result.errors} failed.`);
  }
  return result['2xx'] / seconds;
}
