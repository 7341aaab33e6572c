import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { realpathSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Service } from '../process/run.js';

/** For one that was told to end, or has lost its parent, to have ended. */
const PATIENCE_MILLISECONDS = 15_000;
const POLL_MILLISECONDS = 100;

/**
 * Two services on one directory would both take over its jobs. A name of the kernel's, not a file: it goes with its process,
 * however that ends.
 */
export async function lockDirectory(
  directory: string,
  patienceMilliseconds = PATIENCE_MILLISECONDS,
): Promise<Service> {
  const digest = createHash('sha256').update(realpathSync(directory)).digest('hex');
  const deadline = Date.now() + patienceMilliseconds;
  for (;;) {
    const server = createServer((socket) => socket.destroy());
    server.listen(`\0keelson-images-${digest.slice(0, 32)}`);
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
      if (Date.now() > deadline)
        throw new Error(`Another image service has the directory ${directory}.`, { cause: error });
      await delay(POLL_MILLISECONDS);
    }
  }
}
