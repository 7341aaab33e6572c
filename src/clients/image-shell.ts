import { once } from 'node:events';
import ssh2 from 'ssh2';
import type { ImageAddress } from '../core/image.js';
import { ServiceError } from '../core/errors.js';
import type { ImageShell } from './interfaces.js';

const CONNECT_MS = 10_000;
const COMMAND_MS = 30_000;

/**
 * Speaks SSH in this process, so that the key is in no file and no other program. Host keys are not checked, because IMS makes
 * new ones for each job; the other end is only a copy of an image, opened for the session's own key.
 */
export function createImageShell(): ImageShell {
  return {
    async run(address, privateKey, command, signal) {
      const deadline = AbortSignal.timeout(COMMAND_MS);
      const client = new ssh2.Client();
      // The first error is reported below; without a listener, a later one would end this process.
      client.on('error', () => undefined);
      const either = AbortSignal.any([signal, deadline]);
      const end = () => client.destroy();
      either.addEventListener('abort', end, { once: true });
      try {
        await connect(client, address, privateKey, either);
        await execute(client, command, either);
      } catch (cause) {
        signal.throwIfAborted();
        throw toFault(address, command, deadline.aborted ? 'no answer in time' : cause);
      } finally {
        either.removeEventListener('abort', end);
        client.end();
      }
    },
  };
}

async function connect(
  client: ssh2.Client,
  { host, port }: ImageAddress,
  privateKey: string,
  signal: AbortSignal,
): Promise<void> {
  const ready = once(client, 'ready', { signal });
  // If `connect` throws, for example because the port is out of range, nothing awaits this promise.
  ready.catch(() => undefined);
  client.connect({ host, port, username: 'root', privateKey, readyTimeout: CONNECT_MS });
  await ready;
}

async function execute(client: ssh2.Client, command: string, signal: AbortSignal): Promise<void> {
  // The listener must be removed, or it would keep the connection and its key in memory until the deadline.
  let end: () => void = () => undefined;
  const code = await new Promise<number | undefined>((resolve, reject) => {
    end = () => reject(signal.reason as Error);
    signal.addEventListener('abort', end, { once: true });
    client.once('close', () => reject(new Error('the connection was closed')));
    client.exec(command, (error, channel) => {
      if (error !== undefined) {
        reject(error);
        return;
      }
      // Listens before anything is awaited: if the server sent everything at once, all events are emitted in one go.
      let given: number | undefined;
      channel.on('exit', (exitCode: number | null) => (given = exitCode ?? undefined));
      channel.once('close', () => resolve(given));
      channel.resume();
      channel.stderr.resume();
    });
  }).finally(() => signal.removeEventListener('abort', end));
  if (code !== 0)
    throw new Error(`it ended with ${code === undefined ? 'no exit code' : `exit code ${code}`}`);
}

function toFault({ host, port }: ImageAddress, command: string, cause: unknown): ServiceError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ServiceError('unavailable', `"${command}" over SSH at ${host}:${port}: ${why}.`, {
    reason: 'IMAGE_PREPARE',
    cause,
  });
}
