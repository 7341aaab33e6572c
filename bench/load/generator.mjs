/**
 * Posts sessions over bare sockets, in a process of its own: an HTTP client would cost this machine more than the service
 * does. Reads a load as JSON and prints the result as JSON.
 */
import { connect } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { at } from '../numbers.mjs';

/**
 * @typedef {{ host: string, port: number, prefix: string, ms: number, connections?: number, rate?: number }} Load
 * `connections`: number of clients, each of which posts again as soon as it has its answer. `rate`: requests per second,
 * whatever their answers.
 * @typedef {{ status: number, again: string | undefined, isLast: boolean }} Answer isLast: the connection closes after it
 */

const ANSWER_MS = 60_000;

/** @type {Load} */
const load = JSON.parse(process.argv[2] ?? '{}');
const delays = monitorEventLoopDelay({ resolution: 10 });
const result = {
  times: /** @type {number[]} */ ([]),
  /** Times of the first request of each connection, which include connecting. */
  firsts: /** @type {number[]} */ ([]),
  accepted: /** @type {string[]} */ ([]),
  refused: 0,
  /** Counts of answers that are neither, and of connections that ended without one. */
  wrong: /** @type {Record<string, number>} */ ({}),
};
let count = 0;

delays.enable();
const cpu = process.cpuUsage();
await (load.rate === undefined ? runClients() : runAtRate(load.rate));
delays.disable();
const { user, system } = process.cpuUsage(cpu);
const { times, firsts, accepted, refused, wrong } = result;
console.log(
  JSON.stringify({
    ...{ accepted, refused, wrong, answers: times.length },
    ...{ median: at(times, 0.5), p99: at(times, 0.99), max: at(times, 1), first: at(firsts, 1) },
    generator: { cpuMs: (user + system) / 1000, delayP99Ms: delays.percentile(99) / 1e6 },
  }),
);

async function runClients() {
  const end = performance.now() + load.ms;
  const client = async () => {
    let socket;
    while (performance.now() < end) socket = await post(socket, performance.now());
    socket?.destroy();
  };
  await Promise.all(Array.from({ length: load.connections ?? 1 }, client));
}

/** Times each request from the moment at which it was due. @param {number} rate */
async function runAtRate(rate) {
  const begin = performance.now();
  const idle = /** @type {import('node:net').Socket[]} */ ([]);
  const open = [];
  for (let index = 0; index < (rate * load.ms) / 1000; index += 1) {
    const due = begin + (index * 1000) / rate;
    const early = due - performance.now();
    if (early > 1) await delay(early);
    open.push(
      post(idle.pop(), Math.max(due, performance.now() - 1)).then((socket) => {
        if (socket !== undefined) idle.push(socket);
      }),
    );
  }
  await Promise.all(open);
  for (const socket of idle) socket.destroy();
}

/**
 * @param {import('node:net').Socket | undefined} kept @param {number} start
 * @returns {Promise<import('node:net').Socket | undefined>} can be used again
 */
async function post(kept, start) {
  const name = `${load.prefix}-${(count += 1)}`;
  const socket = kept ?? open();
  try {
    const answer = await ask(socket, toRequest(name));
    const time = performance.now() - start;
    result.times.push(time);
    if (kept === undefined) result.firsts.push(time);
    judge(name, answer);
    if (!answer.isLast) return socket;
  } catch (error) {
    note(/** @type {Error} */ (error).message);
  }
  socket.destroy();
  return undefined;
}

function open() {
  const socket = connect(load.port, load.host).setNoDelay(true);
  return socket.on('error', () => undefined);
}

/** @param {string} name @param {Answer} answer */
function judge(name, { status, again }) {
  if (status === 201) result.accepted.push(name);
  else if ((status === 429 || status === 503) && again !== undefined) result.refused += 1;
  else note(`status ${status}`);
}

/** @param {string} what */
function note(what) {
  result.wrong[what] = (result.wrong[what] ?? 0) + 1;
}

/** @param {string} name */
function toRequest(name) {
  const body = JSON.stringify({ name, configuration_name: 'bench' });
  return [
    'POST /v3/sessions HTTP/1.1',
    `Host: ${load.host}:${load.port}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    '',
    body,
  ].join('\r\n');
}

/**
 * Relies on answers that are ASCII and have a Content-Length.
 * @param {import('node:net').Socket} socket @param {string} request
 * @returns {Promise<Answer>}
 */
function ask(socket, request) {
  return new Promise((resolve, reject) => {
    let text = '';
    const leave = () => {
      clearTimeout(timer);
      socket.off('data', onData).off('error', onError).off('close', onClose);
    };
    const onError = (/** @type {NodeJS.ErrnoException} */ error) => {
      leave();
      reject(new Error(error.code ?? error.message));
    };
    const onClose = () => onError(new Error('closed without an answer'));
    const timer = setTimeout(() => onError(new Error('no answer')), ANSWER_MS);
    const onData = (/** @type {Buffer} */ data) => {
      text += data.toString('latin1');
      const answer = parse(text);
      if (answer === undefined) return;
      leave();
      resolve(answer);
    };
    socket.on('data', onData).on('error', onError).on('close', onClose);
    socket.write(request);
  });
}

/** @param {string} text @returns {Answer | undefined} undefined while it is incomplete */
function parse(text) {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = text.slice(0, end);
  const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
  if (text.length < end + 4 + length) return undefined;
  return {
    status: Number(head.slice(9, 12)),
    again: /^retry-after: (\S+)/im.exec(head)?.[1],
    isLast: /^connection: close/im.test(head),
  };
}
