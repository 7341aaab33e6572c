import { createServer, request as requestPlain } from 'node:http';
import { connect } from 'node:net';
import { listen, stopListening } from './listen.js';

export interface HttpProxy {
  readonly url: string;
  /** Host and port of each request that it passed on. */
  readonly passed: readonly string[];
  close(): Promise<void>;
}

/** With `refusal`, it answers with this status to everything. */
export async function startHttpProxy(refusal?: number): Promise<HttpProxy> {
  const passed: string[] = [];
  const server = createServer((request, response) => {
    if (refusal !== undefined) return void response.writeHead(refusal).end();
    passed.push(new URL(request.url ?? '').host);
    const { method, headers } = request;
    request.pipe(
      requestPlain(request.url ?? '', { method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      }),
    );
  });
  server.on('connect', (request, socket) => {
    if (refusal !== undefined) return void socket.end(`HTTP/1.1 ${refusal} No\r\n\r\n`);
    passed.push(request.url ?? '');
    const { hostname, port } = new URL(`http://${request.url ?? ''}`);
    const onward = connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    for (const end of [socket, onward]) end.on('error', () => undefined);
  });
  const port = await listen(server);
  return { passed, url: `http://127.0.0.1:${port}`, close: () => stopListening(server) };
}
