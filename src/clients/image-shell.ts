import { once } from 'node:events';
import ssh2 from 'ssh2';
import type { ImageAddress } from '../core/image.js';
import { ServiceError } from '../core/errors.js';
import type { ImageShell } from './interfaces.js';

const CONNECT_MS = 10_000;
const COMMAND_MS = 30_000;

/**
 * Without a program or a file: the key is in this process alone. Host keys are not compared, as IMS makes new ones for each
 * job; what is opened is a copy of an image that the session's own key fits.
 */
export function createImageShell(): ImageShell {
  return {
    async run(address, privateKey, command, signal) {
      const deadline = AbortSignal.timeout(COMMAND_MS);
      const client = new ssh2.Client();
      // After the one that is waited for, what a broken connection says is of no use.
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
  client.connect({ host, port, username: 'root', privateKey, readyTimeout: CONNECT_MS });
  await ready;
}

async function execute(client: ssh2.Client, command: string, signal: AbortSignal): Promise<void> {
  const channel = await new Promise<ssh2.ClientChannel>((resolve, reject) => {
    client.exec(command, (error, opened) =>
      error === undefined ? resolve(opened) : reject(error),
    );
  });
  channel.resume();
  channel.stderr.resume();
  let code: number | undefined;
  channel.on('exit', (given: number | null) => {
    code = given ?? undefined;
  });
  await once(channel, 'close', { signal });
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
