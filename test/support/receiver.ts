import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { listen, stopListening } from './listen.js';
import { waitFor } from './wait.js';

export interface Delivery {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly content: string;
  readonly body: Message;
}

export interface Message {
  readonly text: string;
  readonly session: Readonly<Record<string, unknown>> & { readonly name: string };
  readonly hosts: Readonly<Record<string, number>>;
  readonly failed_hosts: readonly Readonly<Record<string, string | null>>[];
  readonly links: Readonly<Record<string, string>> | null;
}

/** A receiver of webhooks. It keeps every delivery, whatever it answers. */
export interface Receiver {
  readonly url: string;
  readonly deliveries: Delivery[];
  /** By path, the status to answer with, or `silence`. Default: 200. */
  readonly answers: Map<string, number | 'silence'>;
  /** Headers of each answer. */
  readonly says: Record<string, string>;
  /** The deliveries about this session to this path. */
  of(session: string, path?: string): readonly Delivery[];
  /** Waits until `count` deliveries have come. */
  whenTold(session: string, path?: string, count?: number): Promise<readonly Delivery[]>;
  close(): Promise<void>;
}

export async function startReceiver(port = 0): Promise<Receiver> {
  const deliveries: Delivery[] = [];
  const answers = new Map<string, number | 'silence'>();
  const says: Record<string, string> = {};
  const server = createServer((request, response) => {
    const { url: path = '', headers } = request;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const content = Buffer.concat(chunks).toString();
      deliveries.push({ path, headers, content, body: JSON.parse(content) as Message });
      const answer = answers.get(path) ?? 200;
      if (answer === 'silence') return;
      // A receiver's answer may repeat parts of the request.
      const location = `http://${headers.host ?? ''}/elsewhere`;
      response.writeHead(answer, { 'content-type': 'application/json', location, ...says });
      response.end(JSON.stringify({ message: `${path} ${JSON.stringify(headers)}` }));
    });
  });
  const url = `http://127.0.0.1:${await listen(server, port)}`;
  const of: Receiver['of'] = (session, path) =>
    deliveries.filter(
      (each) =>
        (each.body.session as { name?: string } | undefined)?.name === session &&
        (path === undefined || path === each.path),
    );
  return {
    ...{ url, deliveries, answers, says, of },
    whenTold: (session, path, count = 1) =>
      waitFor(
        () => {
          const told = of(session, path);
          return told.length >= count ? told : undefined;
        },
        { what: `${count} deliveries of ${session} to ${path ?? 'any path'}` },
      ),
    close: () => stopListening(server),
  };
}

/** Verifies a signature as standardwebhooks.com says. */
export function isSignedBy(secret: string, { headers, content }: Delivery): boolean {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${content}`;
  const signature = createHmac('sha256', key).update(signed).digest('base64');
  return headers['webhook-signature'] === `v1,${signature}`;
}
