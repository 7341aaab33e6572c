import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CuttingProxy {
  readonly url: string;
  /** Every request that came, as `METHOD path`. */
  readonly asked: readonly string[];
  /** What becomes of the next answers; after these all are passed on. */
  readonly faults: Fault[];
  close(): Promise<void>;
}

/** `lost`: the service has acted, and its answer never arrives. A number: so many bytes of it do. */
export type Fault = 'lost' | 'refused' | number;

/** Stands between a client and a service, and breaks connections, except of requests that are spared. */
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
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    faults,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
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
