import { EventEmitter, once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { listen, stopListening } from '../support/listen.js';

/** The API's limit of a piece of a log, compressed. */
const MAX_SENT_BYTES = 1024 * 1024;

export interface HostsReport {
  readonly sequence: number;
  readonly final: boolean;
  readonly rerun?: Record<string, unknown>;
  readonly hosts: readonly Record<string, unknown>[];
}

export interface SilenceReport {
  readonly sequence: number;
  readonly silence: Record<string, unknown> | null;
}

export interface Reply {
  readonly status: number;
  readonly headers?: Record<string, string>;
}

/** The API of one phase: keeps what is delivered. */
export interface PhaseApi {
  readonly url: string;
  readonly log: Buffer;
  readonly states: readonly Record<string, unknown>[];
  readonly hosts: readonly HostsReport[];
  readonly holds: readonly Record<string, unknown>[];
  readonly waits: readonly Record<string, unknown>[];
  readonly silences: readonly SilenceReport[];
  readonly requests: readonly string[];
  /** Answers the wrapper's request whether the present hold is released. */
  release(): void;
  /** The same with a request to run the command again. */
  rerun(by: string): void;
  /** The answer to whether to hold. Undefined: the answer does not say, as in an earlier version. */
  wanted: boolean | undefined;
  /** While it returns something, that is the answer, and the state here is not changed. */
  interrupt: (method: string, path: string) => Reply | undefined;
  /** Drops the part of the log after `offset`. */
  forget(offset: number): void;
  /** Answers that no hold was reported, until one is reported again. */
  forgetHold(): void;
  pause(): Promise<void>;
  resume(): Promise<void>;
  close(): Promise<void>;
}

export async function startPhaseApi(token: string): Promise<PhaseApi> {
  const states: Record<string, unknown>[] = [];
  const hosts: HostsReport[] = [];
  const holds: Record<string, unknown>[] = [];
  const waits: Record<string, unknown>[] = [];
  const silences: SilenceReport[] = [];
  const news = new EventEmitter();
  let heldSince = '';
  let isForgotten = false;
  let asked: Record<string, unknown> | undefined;
  const requests: string[] = [];
  let log = Buffer.alloc(0);

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = '', url = '', headers } = request;
    const raw = await buffer(request);
    const body = headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw;
    requests.push(`${method} ${url}`);
    const query = new URL(url, 'http://phase').searchParams;
    const findAsked = () => ((query.get('since') ?? heldSince) === heldSince ? asked : undefined);
    const isWait = method === 'GET' && query.get('wait') !== '0';
    while (isWait && findAsked() === undefined && !isForgotten && !response.closed) {
      await Promise.race([once(news, 'asked'), once(response, 'close')]);
    }
    if (method === 'GET' && url.endsWith('/log')) {
      response.writeHead(204, { 'Upload-Offset': String(log.length) }).end();
      return;
    }
    if (method === 'GET') {
      const interruption = api.interrupt(method, url);
      if (interruption !== undefined) {
        response.writeHead(interruption.status, interruption.headers).end();
        return;
      }
      const answered = findAsked() ?? { released: false };
      response.end(JSON.stringify({ ...answered, held: !isForgotten, wanted: api.wanted }));
      return;
    }
    const { status, headers: answers } = reply(method, url, headers, body, raw.length);
    response.writeHead(status, answers).end();
  };
  const reply = (
    method: string,
    url: string,
    headers: IncomingHttpHeaders,
    body: Buffer,
    sent: number,
  ): Reply => {
    const interruption = api.interrupt(method, url);
    if (interruption !== undefined) return interruption;
    if (headers.authorization !== `Bearer ${token}`) return { status: 401 };
    if (sent > MAX_SENT_BYTES) return { status: 413 };
    if (method === 'PATCH') return append(Number(headers['upload-offset']), body);
    if (url.endsWith('/wait')) waits.push(JSON.parse(body.toString()) as Record<string, unknown>);
    else if (url.endsWith('/silence')) silences.push(JSON.parse(body.toString()) as SilenceReport);
    else if (url.endsWith('/hold')) hold(JSON.parse(body.toString()) as Record<string, unknown>);
    else if (url.endsWith('/hosts')) hosts.push(JSON.parse(body.toString()) as HostsReport);
    else states.push(JSON.parse(body.toString()) as Record<string, unknown>);
    return { status: 204 };
  };
  const hold = (told: Record<string, unknown>): void => {
    holds.push(told);
    isForgotten = false;
    if (told['since'] !== heldSince) asked = undefined;
    heldSince = String(told['since']);
  };
  const ask = (answered: Record<string, unknown>): void => {
    asked = answered;
    news.emit('asked');
  };
  const append = (offset: number, body: Buffer): Reply => {
    const status = offset > log.length ? 409 : 204;
    if (status === 204) log = Buffer.concat([log.subarray(0, offset), body]);
    return { status, headers: { 'Upload-Offset': String(log.length) } };
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  const pause = () => stopListening(server);
  const port = await listen(server);
  const api: PhaseApi = {
    url: `http://127.0.0.1:${port}/base`,
    get log() {
      return log;
    },
    states,
    hosts,
    holds,
    waits,
    silences,
    requests,
    release: () => ask({ released: true }),
    rerun: (by) => ask({ released: false, rerun: true, rerun_by: by }),
    wanted: undefined,
    interrupt: () => undefined,
    forget(offset) {
      log = log.subarray(0, offset);
    },
    forgetHold() {
      isForgotten = true;
      news.emit('asked');
    },
    pause,
    async resume() {
      await listen(server, port);
    },
    close: pause,
  };
  return api;
}
