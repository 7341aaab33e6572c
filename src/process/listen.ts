import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { toUrl, type Address } from '../config.js';

export interface Listener {
  readonly url: string;
  close(): Promise<void>;
}

/** Also what tests listen with. */
export async function listen(
  app: { fetch: Parameters<typeof serve>[0]['fetch'] },
  address: Address,
): Promise<Listener> {
  const server = serve({
    fetch: app.fetch,
    hostname: address.host,
    port: address.port,
    // Long lists of ids come in the request line.
    serverOptions: { maxHeaderSize: 80 * 1024 },
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: toUrl({ ...address, port }),
    async close() {
      const closed = once(server, 'close');
      server.close();
      // Followers of logs stay as long as we let them.
      if ('closeAllConnections' in server) server.closeAllConnections();
      await closed;
    },
  };
}
