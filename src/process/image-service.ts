import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { toHostPort } from '../config/address.js';
import type { ApiConfig } from '../config/api.js';
import type { ImageServiceConfig } from '../config/image-service.js';
import type { SourceConfig } from '../config/sources.js';
import { omitUndefined } from '../core/omit-undefined.js';
import { superviseChild, type Child } from './child.js';
import { keepImageToken } from './keys.js';
import type { Logger } from './logger.js';
import type { Service } from './run.js';

const PROGRAM = fileURLToPath(new URL('../image-service/main.js', import.meta.url));

export interface ImageServiceProcess extends Service {
  readonly url: string;
}

/**
 * Starts the image service as a child process, on a free port unless the configuration names one. It ends with this process,
 * however that ends. If it ends by itself it is started again at the same address, after a pause that grows while it does not
 * start, or ends soon.
 */
export async function startImageService(
  config: ImageServiceConfig,
  logger: Logger,
  program = PROGRAM,
): Promise<ImageServiceProcess> {
  const server = await launch(config, { host: '127.0.0.1', port: 0, ...config.listen }, program);
  const { url } = server;
  const { hostname, port } = new URL(url);
  const address = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) };
  const { close } = superviseChild(server, {
    launch: () => launch(config, address, program),
    onEnd: (_, pauseMs) => logger.error({ url, pauseMs }, 'image service ended; starting it again'),
    onFailure: (error) => logger.error({ err: error }, 'image service does not start'),
  });
  return { url, close };
}

/**
 * Whoever may use the image service becomes root. So if the API asks for tokens, our own image service asks for one too, which
 * only this service knows.
 */
export function protectImageService(
  config: ImageServiceConfig,
  auth: ApiConfig['auth'],
  dataDirectory: string,
): ImageServiceConfig {
  if (auth.kind !== 'tokens' || config.tokenFile !== undefined) return config;
  return { ...config, tokenFile: keepImageToken(dataDirectory) };
}

/** The settings by which sessions use this image service. */
export function toOwnImages(
  url: string,
  { tokenFile }: ImageServiceConfig,
): Pick<SourceConfig, 'imsUrl' | 'imsTokenFile'> {
  return omitUndefined({ imsUrl: url, imsTokenFile: tokenFile });
}

/** The first message of the child. It has exactly one of the two. */
interface StartReport {
  readonly url?: string;
  readonly failure?: string;
}

interface ServiceChild extends Child {
  readonly url: string;
}

async function launch(
  config: ImageServiceConfig,
  address: { readonly host: string; readonly port: number },
  program: string,
): Promise<ServiceChild> {
  const child = fork(program, [], {
    execArgv: [],
    // Ctrl-C reaches the whole foreground process group; the service must answer until the worker has drained.
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...toEnvironment(config), IMAGE_SERVICE_LISTEN: toHostPort(address) },
  });
  const ended = once(child, 'exit');
  ended.catch(() => undefined);
  const [report] = (await Promise.race([once(child, 'message'), ended])) as [StartReport | null];
  const url = report?.url;
  if (url === undefined)
    throw new Error(report?.failure ?? 'The image service did not start; its log says why.');
  return { process: child, url, ended };
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
