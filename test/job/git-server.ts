import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { listen, stopListening } from '../support/listen.js';

/** Serves a bare repository as plain files, which git cannot fetch single commits from. */
export interface GitServer {
  readonly port: number;
  readonly url: string;
  /** `Authorization` of each request, or undefined. */
  readonly authorizations: readonly (string | undefined)[];
  close(): Promise<void>;
}

export interface GitServerOptions {
  readonly directory: string;
  readonly port?: number;
  /** The required `user:password`. */
  readonly login?: string;
}

export async function startGitServer({
  directory,
  port = 0,
  login,
}: GitServerOptions): Promise<GitServer> {
  const expected = login === undefined ? undefined : `Basic ${btoa(login)}`;
  const authorizations: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    authorizations.push(request.headers.authorization);
    if (expected !== undefined && request.headers.authorization !== expected) {
      response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="git"' }).end();
      return;
    }
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    readFile(join(directory, pathname.replace('/repository.git/', ''))).then(
      (content) => response.writeHead(200).end(content),
      () => response.writeHead(404).end(),
    );
  });
  const actual = await listen(server, port);
  return {
    port: actual,
    url: `http://127.0.0.1:${actual}/repository.git`,
    authorizations,
    close: () => stopListening(server),
  };
}
