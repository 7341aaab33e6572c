import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { toHostPort } from '../config/address.js';
import type { ImageServiceConfig } from '../config/image-service.js';
import type { Logger } from './logger.js';
import type { Service } from './run.js';

const PROGRAM = fileURLToPath(new URL('../image-service/main.js', import.meta.url));
const STOP_MS = 15_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

export interface ImageServiceProcess extends Service {
  readonly url: string;
}

/**
 * Starts the image service as a child process, on a free port unless the configuration names one. It ends with this process,
 * however that ends. If it ends by itself it is started again at the same address, after a pause that grows while it does not
 * start.
 */
export async function startImageService(
  config: ImageServiceConfig,
  logger: Logger,
  program = PROGRAM,
): Promise<ImageServiceProcess> {
  let server = await launch(config, { host: '127.0.0.1', port: 0, ...config.listen }, program);
  const { url } = server;
  const { hostname, port } = new URL(url);
  const address = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) };
  const closing = new AbortController();
  const isClosing = () => closing.signal.aborted;
  const supervising = (async () => {
    for (let pause = FIRST_PAUSE_MS; ;) {
      await server.ended;
      if (isClosing()) return;
      logger.error({ url }, 'image service ended; starting it again');
      await delay(pause, undefined, { signal: closing.signal }).catch(() => undefined);
      if (isClosing()) return;
      try {
        server = await launch(config, address, program);
        pause = FIRST_PAUSE_MS;
      } catch (error) {
        logger.error({ err: error }, 'image service does not start');
        pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
      }
    }
  })();
  return {
    url,
    async close() {
      closing.abort();
      await stop(server);
      await supervising;
      // Another process may have been started while the first one was being stopped.
      await stop(server);
    },
  };
}

/** Has exactly one of the two. */
interface Told {
  readonly url?: string;
  readonly failure?: string;
}

interface Launched {
  readonly child: ChildProcess;
  readonly url: string;
  readonly ended: Promise<unknown>;
}

async function launch(
  config: ImageServiceConfig,
  address: { readonly host: string; readonly port: number },
  program: string,
): Promise<Launched> {
  const child = fork(program, [], {
    execArgv: [],
    // Ctrl-C reaches the whole foreground process group; the service must answer until the worker has drained.
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...toEnvironment(config), IMAGE_SERVICE_LISTEN: toHostPort(address) },
  });
  const ended = once(child, 'exit');
  ended.catch(() => undefined);
  const [said] = (await Promise.race([once(child, 'message'), ended])) as [Told | null];
  const url = said?.url;
  if (url === undefined)
    throw new Error(said?.failure ?? 'The image service did not start; its log says why.');
  return { child, url, ended };
}

/** Only what `parseConfig` has read for it, so that it gets none of the other parts' secrets. */
function toEnvironment(config: ImageServiceConfig): NodeJS.ProcessEnv {
  const { PATH, LOG_LEVEL } = process.env;
  return {
    PATH,
    LOG_LEVEL,
    IMAGE_SERVICE_DIRECTORY: config.directory,
    IMAGE_SERVICE_TOKEN_FILE: config.tokenFile ?? '',
    IMAGE_SSH_ADDRESS: config.sshAddress,
    IMAGE_JOB_MAX_AGE: String(config.maxJobAgeSeconds),
    JOB_ENABLE_DKMS: String(config.enableDkms),
  };
}

async function stop({ child, ended }: Launched): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(timer);
}
