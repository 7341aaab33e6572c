import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { listen, stopListening } from '../support/listen.js';

export interface CuttingProxy {
  readonly url: string;
  /** All requests, as `METHOD path`. */
  readonly asked: readonly string[];
  /** Faults of the next answers, in order; later answers are passed on. */
  readonly faults: Fault[];
  close(): Promise<void>;
}

/** `lost`: the service acts, but its answer never arrives. A number: only so many bytes of it arrive. */
export type Fault = 'lost' | 'refused' | number;

/** A proxy between a client and a service that breaks connections, except those of spared requests. */
export async function openCuttingProxy(
  target: string,
  { spared }: { readonly spared: RegExp },
): Promise<CuttingProxy> {
  const asked: string[] = [];
  const faults: Fault[] = [];
  const server = createServer((incoming, outgoing) => {
    asked.push(`${incoming.method ?? ''} ${incoming.url ?? ''}`);
    const fault = spared.test(incoming.url ?? '') ? undefined : faults.shift();
    if (fault === 'refused') {
      incoming.resume();
      outgoing.writeHead(503, { 'retry-after': '1' }).end();
      return;
    }
    const passed = request(
      `${target}${incoming.url ?? ''}`,
      { method: incoming.method, headers: incoming.headers, agent: false },
      (answer) => passOn(answer, outgoing, fault),
    );
    passed.on('error', () => outgoing.destroy());
    outgoing.on('close', () => passed.destroy());
    incoming.pipe(passed);
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    faults,
    close: () => stopListening(server),
  };
}

function passOn(answer: IncomingMessage, outgoing: ServerResponse, fault?: Fault): void {
  answer.on('error', () => outgoing.destroy());
  if (fault === 'lost') {
    answer.resume().on('end', () => outgoing.destroy());
    return;
  }
  outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
  let left = typeof fault === 'number' ? fault : Infinity;
  answer.on('data', (chunk: Buffer) => {
    const some = chunk.subarray(0, left);
    left -= some.length;
    outgoing.write(some, () => left === 0 && outgoing.destroy());
  });
  answer.on('end', () => left > 0 && outgoing.end());
}
