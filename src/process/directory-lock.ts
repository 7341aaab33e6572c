import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { realpathSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Service } from './run.js';

/** How long a process that was told to end, or has lost its parent, may take to end. */
const PATIENCE_MILLISECONDS = 15_000;
const POLL_MILLISECONDS = 100;

/**
 * Two services on one directory would both take over what is in it. A name of the kernel's, not a file: it goes with its
 * process, however that ends. `service` is what they are, in the message too.
 */
export async function lockDirectory(
  directory: string,
  service: string,
  patienceMilliseconds = PATIENCE_MILLISECONDS,
): Promise<Service> {
  const digest = createHash('sha256')
    .update(`${service} ${realpathSync(directory)}`)
    .digest('hex');
  const deadline = performance.now() + patienceMilliseconds;
  for (;;) {
    const server = createServer((socket) => socket.destroy());
    server.listen(`\0keelson-${digest.slice(0, 32)}`);
    try {
      await once(server, 'listening');
      return {
        async close() {
          server.close();
          await once(server, 'close');
        },
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      if (performance.now() > deadline)
        throw new Error(`Another ${service} has the directory ${directory}.`, { cause: error });
      await delay(POLL_MILLISECONDS);
    }
  }
}
