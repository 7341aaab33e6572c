import { once } from 'node:events';
import { createServer, request as send, type IncomingMessage } from 'node:http';
import { listen, stopListening } from './listen.js';

/** `GET jobs`, `GET jobs/…`, `POST public-keys`, … */
export type ImsCall = string;

/** Before the service gets the request, or after it has acted and before the client hears of it. */
export type Moment = 'before' | 'after';

export interface ImsProxy {
  readonly url: string;
  readonly calls: readonly ImsCall[];
  /** Calls `act` once, at the next such call. The request (before) or its answer (after) is then dropped. */
  strike(call: ImsCall, moment: Moment, act: () => Promise<unknown>): Promise<void>;
  /** Refuses connections until `answer` is called. */
  refuse(): void;
  answer(): void;
  close(): Promise<void>;
}

interface Strike {
  readonly act: () => Promise<unknown>;
  readonly done: () => void;
}

/** A proxy in front of an image management service, to disturb its connections. */
export async function startImsProxy(target: string): Promise<ImsProxy> {
  const strikes = new Map<string, Strike>();
  const calls: ImsCall[] = [];
  let isAway = false;
  const pass = async (incoming: IncomingMessage, body: Buffer) => {
    const { method, headers } = incoming;
    const sent = send(`${target}${incoming.url ?? ''}`, { method: method ?? 'GET', headers });
    sent.end(body);
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    return {
      status: answer.statusCode ?? 500,
      type: answer.headers['content-type'],
      body: await readAll(answer),
    };
  };
  const server = createServer((incoming, outgoing) => {
    const answer = async () => {
      const body = await readAll(incoming);
      const call = toCall(incoming);
      calls.push(call);
      const take = async (moment: Moment) => {
        const strike = strikes.get(`${moment} ${call}`);
        if (strike === undefined) return false;
        strikes.delete(`${moment} ${call}`);
        await strike.act();
        incoming.socket.destroy();
        strike.done();
        return true;
      };
      if (await take('before')) return;
      const answered = await pass(incoming, body);
      if (await take('after')) return;
      const { status, type } = answered;
      outgoing.writeHead(status, type === undefined ? {} : { 'content-type': type });
      outgoing.end(answered.body);
    };
    if (isAway) incoming.socket.destroy();
    else answer().catch(() => incoming.socket.destroy());
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}`,
    calls,
    strike: (call, moment, act) =>
      new Promise((done) => strikes.set(`${moment} ${call}`, { act, done })),
    refuse() {
      isAway = true;
      server.closeAllConnections();
    },
    answer: () => void (isAway = false),
    close: () => stopListening(server),
  };
}

function toCall({ method, url }: IncomingMessage): ImsCall {
  const [, kind = '', id] = (url ?? '').split('/');
  return `${method ?? ''} ${kind}${id === undefined ? '' : '/…'}`;
}

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}
