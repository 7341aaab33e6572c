import { createServer, type ServerResponse } from 'node:http';
import { KubeConfig, type KubernetesObject } from '@kubernetes/client-node';
import { listen, stopListening } from '../support/listen.js';

/** Serves the list and the watch of one kind, like Kubernetes' API. */
export interface WatchServer {
  readonly config: KubeConfig;
  readonly path: string;
  /** The answer to the next list. */
  items: readonly object[];
  /** How often it was listed and watched, and the largest page of a list. A look at one object is no list. */
  readonly lists: () => number;
  readonly largestPage: () => number;
  readonly watches: () => number;
  /** The version from which the last watch started. */
  readonly watchedFrom: () => string | null;
  /** Has the version of a backup from now on. */
  setBack(version: number): void;
  /** Sends an event to every watch that began before it. */
  send(type: string, object: object): void;
  /** Ends the connections, cleanly or by breaking them. */
  end(): void;
  breakOff(): void;
  /** Answers watches with this instead, until it is cleared. */
  refuse(status: number | undefined): void;
  close(): Promise<void>;
}

export async function startWatchServer(): Promise<WatchServer> {
  /** The version from which each watch started. */
  const open = new Map<ServerResponse, number>();
  const counts = { lists: 0, watches: 0, largestPage: 0 };
  let version = 1000;
  let refused: number | undefined;
  let watchedFrom: string | null = null;
  const http = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://localhost');
    if (searchParams.get('watch') !== 'true') {
      const begin = Number(searchParams.get('continue') ?? 0);
      const limit = Number(searchParams.get('limit') ?? Infinity);
      if (begin === 0 && limit > 1) counts.lists += 1;
      const page = server.items.slice(begin, begin + limit);
      const end = begin + page.length;
      counts.largestPage = Math.max(counts.largestPage, page.length);
      const metadata = {
        resourceVersion: String(version),
        ...(end < server.items.length ? { continue: String(end) } : {}),
      };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ kind: 'List', apiVersion: 'v1', metadata, items: page }));
      return;
    }
    counts.watches += 1;
    watchedFrom = searchParams.get('resourceVersion');
    if (refused !== undefined) {
      response.writeHead(refused).end('{}');
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    open.set(response, Number(watchedFrom));
    response.on('close', () => open.delete(response));
  });
  const config = new KubeConfig();
  const url = `http://127.0.0.1:${await listen(http)}`;
  config.loadFromClusterAndUser({ name: 'c', server: url, skipTLSVerify: true }, { name: 'u' });
  const server: WatchServer = {
    config,
    path: '/api/v1/namespaces/n/pods',
    items: [],
    lists: () => counts.lists,
    largestPage: () => counts.largestPage,
    watches: () => counts.watches,
    watchedFrom: () => watchedFrom,
    setBack(to) {
      version = to;
    },
    send(type, object) {
      const { resourceVersion } = (object as KubernetesObject).metadata ?? {};
      if (resourceVersion !== undefined) version = Number(resourceVersion);
      for (const [response, from] of open)
        if (resourceVersion === undefined || version > from)
          response.write(`${JSON.stringify({ type, object })}\n`);
    },
    end() {
      for (const response of open.keys()) response.end();
    },
    breakOff() {
      for (const response of open.keys()) response.destroy();
    },
    refuse(status) {
      refused = status;
    },
    close: () => stopListening(http),
  };
  return server;
}
