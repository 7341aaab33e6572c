import { createServer, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { listen, stopListening } from './listen.js';

export type HsmSource = 'groups' | 'partitions' | 'components';

/** How a source misbehaves instead of answering. */
export type Misbehaviour =
  /** For the first `times` requests, or always. */
  | { readonly kind: 'status'; readonly status: number; readonly times?: number }
  | { readonly kind: 'body'; readonly body: string | Buffer }
  /** The connection breaks before the answer (`reset`), or in the middle of it (`cut`). */
  | { readonly kind: 'reset' }
  | { readonly kind: 'cut' }
  | { readonly kind: 'silent' }
  | { readonly kind: 'redirect'; readonly to: string };

export interface HsmRequest {
  readonly url: string;
  readonly authorization: string | undefined;
}

export interface HsmStandIn {
  readonly url: string;
  /** The data, in HSM's format; tests may change it. */
  readonly content: Record<HsmSource, unknown>;
  readonly misbehave: Partial<Record<HsmSource, Misbehaviour>>;
  readonly requests: readonly HsmRequest[];
  /** How many requests the client has aborted. */
  aborted(): number;
  /** Breaks every connection, as a restart of HSM does. */
  disconnect(): void;
  close(): Promise<void>;
}

export interface HsmStandInOptions {
  readonly tls?: { readonly key: string; readonly cert: string };
}

const PATHS: Readonly<Record<string, HsmSource>> = {
  '/hsm/v2/groups': 'groups',
  '/hsm/v2/partitions': 'partitions',
  '/hsm/v2/State/Components?type=node': 'components',
  '/hsm/v2/State/Components?type=node&type=virtualnode': 'components',
};

/** Stands in for a hardware state manager: answers the reads that Keelson makes, correctly or not. */
export async function startHsmStandIn({ tls }: HsmStandInOptions = {}): Promise<HsmStandIn> {
  const content = { groups: [], partitions: [], components: { Components: [] } };
  const misbehave: Partial<Record<HsmSource, Misbehaviour>> = {};
  const requests: HsmRequest[] = [];
  const failures = new Map<HsmSource, number>();
  let aborted = 0;
  const server: Server = tls === undefined ? createServer() : createTlsServer(tls);
  server.on('request', (request, response) => {
    const { url = '' } = request;
    requests.push({ url, authorization: request.headers.authorization });
    response.on('close', () => (aborted += response.writableFinished ? 0 : 1));
    const source = PATHS[url];
    if (source === undefined) return void response.writeHead(404).end('404 page not found\n');
    const failed = failures.get(source) ?? 0;
    failures.set(source, failed + 1);
    answer(response, content[source], toActive(misbehave[source], failed));
  });
  const port = await listen(server);
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}/hsm/v2`,
    content,
    misbehave,
    requests,
    aborted: () => aborted,
    disconnect: () => server.closeAllConnections(),
    close: () => stopListening(server),
  };
}

function toActive(misbehaviour: Misbehaviour | undefined, failed: number) {
  const isOver =
    misbehaviour?.kind === 'status' && failed >= (misbehaviour.times ?? Number.POSITIVE_INFINITY);
  return isOver ? undefined : misbehaviour;
}

function answer(response: ServerResponse, content: unknown, wrong: Misbehaviour | undefined): void {
  const body = JSON.stringify(content);
  switch (wrong?.kind) {
    case undefined:
      response.writeHead(200, { 'content-type': 'application/json' }).end(body);
      return;
    case 'status': {
      const problem = { type: 'about:blank', title: 'Failed', status: wrong.status };
      response.writeHead(wrong.status, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify(problem));
      return;
    }
    case 'body':
      response.writeHead(200, { 'content-type': 'application/json' }).end(wrong.body);
      return;
    case 'redirect':
      response.writeHead(302, { location: wrong.to }).end();
      return;
    case 'reset':
      response.destroy();
      return;
    case 'cut':
      response.writeHead(200, { 'content-length': body.length + 100 });
      response.write(body, () => response.destroy());
      return;
    case 'silent':
      return;
  }
}
