import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { realpathSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Service } from './run.js';

/** How long to wait for a process that was told to end, or that has lost its parent. */
const PATIENCE_MILLISECONDS = 15_000;
const POLL_MILLISECONDS = 100;

/**
 * Keeps a second service off the directory, because both would take over what is in it. The lock is an abstract socket of the
 * kernel and not a file, so it ends with its process, however that ends. `service` names the kind of service, in the lock and
 * in the message.
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
        throw new Error(`Another ${service} uses the directory ${directory}.`, { cause: error });
      await delay(POLL_MILLISECONDS);
    }
  }
}
