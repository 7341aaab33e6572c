import { request } from 'node:http';
import { listen } from '../../src/process/listen.js';
import type { ApiDependencies } from '../../src/api/dependencies.js';
import { createGate } from '../../src/api/gate.js';
import { openService, type Answer, type TestService } from './service.js';

export interface HttpService extends Omit<TestService, 'ask'> {
  readonly url: string;
  /** Sends the path exactly as given. Text and bytes are sent unchanged, anything else as JSON. */
  readonly ask: (
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<Answer>;
}

/** The whole API, listening on loopback. */
export async function openHttpService(
  changes: Partial<ApiDependencies> = {},
): Promise<HttpService> {
  const service = await openService(changes);
  const listener = await listen(service.app, { host: '127.0.0.1', port: 0 }, createGate());
  return {
    ...service,
    url: listener.url,
    ask: (method, path, body, headers = {}) =>
      ask(listener.url, { method, path, body, headers: withType(body, headers) }),
    async close() {
      await listener.close();
      await service.close();
    },
  };
}

interface Question {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

function withType(
  body: unknown,
  headers: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const isTyped = Object.keys(headers).some((name) => name.toLowerCase() === 'content-type');
  return body === undefined || isTyped
    ? headers
    : { ...headers, 'content-type': 'application/json' };
}

/** Avoids a URL object, which would normalize the path. */
function ask(url: string, { method, path, body, headers }: Question): Promise<Answer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, method, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const given = new Headers();
        for (const [name, value] of Object.entries(answer.headers)) given.set(name, String(value));
        const isJson = (given.get('content-type') ?? '').includes('json');
        resolve({
          status: answer.statusCode ?? 0,
          headers: given,
          body: isJson && text !== '' ? JSON.parse(text) : text,
        });
      });
    });
    sent.on('error', reject);
    if (body !== undefined) {
      sent.write(
        typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
      );
    }
    sent.end();
  });
}
