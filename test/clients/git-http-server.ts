import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { listen, stopListening } from '../support/listen.js';

export interface GitHttpServer {
  /** URL of the directory: `<url>/repository.git` is the repository. */
  readonly url: string;
  /** `Authorization` of each request. */
  readonly authorizations: readonly (string | undefined)[];
  close(): Promise<void>;
}

export interface GitHttpServerOptions {
  /** Holds bare repositories. */
  readonly root: string;
  /** `user:password` that is required. Absent: none. */
  readonly credentials?: string;
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Speaks the oldest protocol, in which only the tips of branches and tags may be asked for. */
  readonly isOld?: boolean;
  /** Answers every request with this status. */
  readonly status?: number;
  /** Answers no request before this. */
  readonly after?: Promise<unknown>;
  /** Accepts requests but never answers. */
  readonly isSilent?: boolean;
}

/** Git's own `git http-backend`, behind just enough of a web server. */
export async function startGitHttpServer(options: GitHttpServerOptions): Promise<GitHttpServer> {
  const authorizations: (string | undefined)[] = [];
  const server: Server = options.tls === undefined ? createServer() : createTlsServer(options.tls);
  server.on('request', (request, response) => {
    authorizations.push(request.headers.authorization);
    if (options.isSilent === true) return;
    if (options.status !== undefined) return void response.writeHead(options.status).end();
    if (!isAllowed(request, options.credentials)) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
      return;
    }
    void Promise.resolve(options.after).then(() => {
      serve(request, response, options);
    });
  });
  const port = await listen(server);
  return {
    url: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    authorizations,
    close: () => stopListening(server),
  };
}

function isAllowed(request: IncomingMessage, credentials: string | undefined): boolean {
  if (credentials === undefined) return true;
  const expected = `Basic ${Buffer.from(credentials).toString('base64')}`;
  return request.headers.authorization === expected;
}

function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { root, isOld = false }: GitHttpServerOptions,
): void {
  const [path = '', query = ''] = (request.url ?? '').split('?');
  const backend = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'],
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: path,
      QUERY_STRING: query,
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      GIT_PROTOCOL: isOld ? '' : String(request.headers['git-protocol'] ?? ''),
    },
  });
  request.pipe(backend.stdin);
  void relay(backend, response);
}

async function relay(
  backend: ChildProcessWithoutNullStreams,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of backend.stdout as AsyncIterable<Buffer>) chunks.push(chunk);
  const answer = Buffer.concat(chunks);
  const end = answer.indexOf('\r\n\r\n');
  const headers = answer
    .subarray(0, end)
    .toString()
    .split('\r\n')
    .map((line) => line.split(': ') as [string, string]);
  const status = headers.find(([name]) => name === 'Status')?.[1] ?? '200';
  for (const [name, value] of headers) if (name !== 'Status') response.setHeader(name, value);
  response.writeHead(Number.parseInt(status, 10)).end(answer.subarray(end + 4));
}
