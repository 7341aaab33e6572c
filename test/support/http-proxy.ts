import { createServer, request as requestPlain } from 'node:http';
import { connect } from 'node:net';
import { listen, stopListening } from './listen.js';

export interface HttpProxy {
  readonly url: string;
  /** Host and port of each request that it passed on. */
  readonly passed: readonly string[];
  close(): Promise<void>;
}

export async function startHttpProxy(): Promise<HttpProxy> {
  const passed: string[] = [];
  const server = createServer((request, response) => {
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
