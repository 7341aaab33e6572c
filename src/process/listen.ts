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
 * Connections that wait to be taken: one that the system turns away hears nothing, and tries again after 1, 3 and 7 s. The
 * system may allow fewer.
 */
const BACKLOG = 4096;
/**
 * Longer than clients and proxies keep a connection that nobody uses (mostly 60 s): where the server closes it first, a request
 * that is sent at that moment gets no answer, and nobody knows whether it was heard.
 */
const KEEP_ALIVE_MS = 75_000;

/** How long answers that have begun, or are awaited, may take when it closes. */
const DRAIN_MS = 3_000;

const FAULTS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there; stop it, or take another port',
  EADDRNOTAVAIL: 'that is no address of this machine',
  EACCES: 'only root may listen there; take a port from 1024 on',
  ENOTFOUND: 'there is no such host',
};

/** `listen` at the address that a variable gives, or that is its default: who cannot have it reads which one that is. */
export function listenFor(
  variable: Variable,
  ...given: Parameters<typeof listen>
): Promise<Listener> {
  return listen(...given).catch((cause: unknown) => {
    throw new Error(`${variable}: ${(cause as Error).message}`);
  });
}

/** Also what tests listen with. */
export async function listen(
  app: { fetch: Parameters<typeof getRequestListener>[0] },
  address: Address,
  /** What is asked before the app is. */
  gate?: (incoming: IncomingMessage, outgoing: ServerResponse, act: () => void) => void,
): Promise<Listener> {
  const answer = getRequestListener(app.fetch, { hostname: address.host });
  const arrivals = createArrivals();
  const answers = createAnswers();
  // Long lists of ids come in the request line.
  const options = { maxHeaderSize: 80 * 1024, keepAliveTimeout: KEEP_ALIVE_MS };
  const server = createServer(options, (incoming, outgoing) => {
    answers.open(outgoing);
    const act = () => void answer(incoming, outgoing);
    arrivals.pass(gate === undefined ? act : () => gate(incoming, outgoing, act));
  });
  server.on('connection', () => arrivals.arrive());
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
      // Who does not read, or never ends, is not waited for any longer.
      server.closeAllConnections();
      await closed;
    },
  };
}

/** The answers that are not over. Who has asked must hear what came of it: it may have been done. */
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
