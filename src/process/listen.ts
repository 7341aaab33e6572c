import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { getRequestListener } from '@hono/node-server';
import { toHostPort, toUrl, type Address } from '../config/address.js';
import type { Variable } from '../config/variables.js';
import { createArrivals } from './arrivals.js';

export interface Listener {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Length of the queue of connections that wait to be accepted; the system may allow fewer. A client that the system turns away
 * hears nothing, and tries again after 1, 3 and 7 s.
 */
const BACKLOG = 4096;
/**
 * Longer than clients and proxies keep an unused connection (mostly 60 s). If the server closed first, a request sent at that
 * moment would get no answer, and its sender could not know whether it was carried out.
 */
const KEEP_ALIVE_MS = 75_000;
/**
 * A client that follows a quiet log may vanish without a word, and nothing is sent to it that would fail. Its system is asked
 * after a minute of silence, and the connection closed if it has not answered for another.
 */
const PROBES = { enable: true, initialDelay: 60_000, interval: 10_000, count: 6 };

/** How long `close` waits for requests that are still being answered. */
const DRAIN_MS = 3_000;

const FAULTS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there; stop it, or choose another port',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'only root may listen there; choose port 1024 or above',
  ENOTFOUND: 'there is no such host',
};

/** Like `listen`, but an error begins with the name of the variable that sets the address. */
export function listenFor(
  variable: Variable,
  ...given: Parameters<typeof listen>
): Promise<Listener> {
  return listen(...given).catch((cause: unknown) => {
    throw new Error(`${variable}: ${(cause as Error).message}`);
  });
}

/** Serves the app over HTTP. Tests use it too. */
export async function listen(
  app: { fetch: Parameters<typeof getRequestListener>[0] },
  address: Address,
  /** Called before the app, with what hands the request to it. */
  gate?: (incoming: IncomingMessage, outgoing: ServerResponse, act: () => void) => void,
): Promise<Listener> {
  const answer = getRequestListener(app.fetch, { hostname: address.host });
  const arrivals = createArrivals();
  const answers = createAnswers();
  // Long lists of ids come in the request line.
  const options = { maxHeaderSize: 80 * 1024, keepAliveTimeout: KEEP_ALIVE_MS };
  const server = createServer(options, (incoming, outgoing) => {
    answers.open(outgoing);
    if (incoming.url !== undefined) incoming.url = mergeSlashes(incoming.url);
    const act = () => void answer(incoming, outgoing);
    arrivals.pass(gate === undefined ? act : () => gate(incoming, outgoing, act));
  });
  server.on('connection', (socket) => {
    arrivals.arrive();
    socket.setKeepAlive(PROBES);
  });
  server.listen({ host: address.host, port: address.port, backlog: BACKLOG });
  await once(server, 'listening').catch((cause: unknown) => {
    const { code = '', message } = cause as NodeJS.ErrnoException;
    throw new Error(`${toHostPort(address)}: ${FAULTS[code] ?? message}.`, { cause });
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: toUrl({ ...address, port }),
    async close() {
      const closed = once(server, 'close');
      server.close();
      await answers.drain();
      // Clients that do not read, and answers that never end, are not waited for any longer.
      server.closeAllConnections();
      await closed;
    },
  };
}

/**
 * A base URL that ends with a slash gives paths such as `//v3/sessions`. CFS redirects clients to the path that is
 * meant. Only the path is changed, and no target with a scheme.
 */
function mergeSlashes(target: string): string {
  return target.startsWith('/')
    ? target.replace(/^[^?]+/, (path) => path.replaceAll(/\/{2,}/g, '/'))
    : target;
}

/**
 * The answers that are still open. Clients must learn the result of their requests, which may already have been carried out.
 */
function createAnswers() {
  const open = new Set<ServerResponse>();
  let onDrained: (() => void) | undefined;
  return {
    open(answer: ServerResponse) {
      if (onDrained !== undefined) answer.shouldKeepAlive = false;
      open.add(answer);
      answer.once('close', () => {
        open.delete(answer);
        if (open.size === 0) onDrained?.();
      });
    },
    async drain() {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      onDrained = () => resolve(undefined);
      for (const answer of open) answer.shouldKeepAlive = false;
      if (open.size > 0) await Promise.race([promise, delay(DRAIN_MS, undefined, { ref: false })]);
    },
  };
}
