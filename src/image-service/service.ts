import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Address } from '../config/address.js';
import type { ImageServiceConfig } from '../config/image-service.js';
import { omitUndefined } from '../core/omit-undefined.js';
import { readVersion } from '../process/version.js';
import { listenFor } from '../process/listen.js';
import type { Logger } from '../process/logger.js';
import type { Service } from '../process/run.js';
import { createImageApp } from './app.js';
import { createJobs } from './jobs.js';
import { holdPlace, preparePlace } from './place.js';
import { findPort } from './ports.js';
import { createClock } from './records.js';
import { findImageTools } from './tools.js';
import { createTurns } from '../process/turns.js';

export interface ImageService extends Service {
  readonly url: string;
}

/** Images that are unpacked or packed at the same time. Each takes all processors and up to a quarter of the memory. */
const TURNS = 2;
/** The port of IMS itself. */
const DEFAULT_ADDRESS: Address = { host: '127.0.0.1', port: 9000 };

/**
 * Serves images, keys and jobs until it is closed. Environments of jobs continue then, and the next service takes them over.
 */
export async function openImageService(
  config: ImageServiceConfig,
  logger: Logger,
): Promise<ImageService> {
  const tools = findImageTools();
  if (typeof tools === 'string') throw new Error(tools);
  const directory = resolve(config.directory);
  const lock = await holdPlace(directory);
  try {
    const place = await preparePlace(directory);
    const clock = createClock();
    const choosePort = () => findPort(config.sshAddress, place.jobs);
    // Fails now if no job could listen at the address.
    await choosePort();
    const turns = createTurns(TURNS);
    const { maxJobAgeSeconds: maxAgeSeconds, enableDkms } = config;
    const shared = { place, clock, choosePort, logger };
    const jobs = createJobs({ ...shared, tools, turns, maxAgeSeconds });
    const token = readToken(config);
    const app = createImageApp({
      ...shared,
      jobs,
      imageTurn: createTurns(1),
      enableDkms,
      version: readVersion(),
      ...omitUndefined({ token }),
    });
    // Before any request can create or delete a job.
    await jobs.resume();
    const address = config.listen ?? DEFAULT_ADDRESS;
    const listener = await listenFor('IMAGE_SERVICE_LISTEN', app, address).catch(
      async (error: unknown) => {
        await jobs.close();
        throw error;
      },
    );
    logger.info({ url: listener.url, directory }, 'image service started');
    return {
      url: listener.url,
      async close() {
        await listener.close();
        await jobs.close();
        await lock.close();
      },
    };
  } catch (error) {
    await lock.close();
    throw error;
  }
}

function readToken({ tokenFile }: ImageServiceConfig): string | undefined {
  if (tokenFile === undefined) return undefined;
  const token = readFileSync(tokenFile, 'utf8').trim();
  if (token === '') throw new Error(`IMAGE_SERVICE_TOKEN_FILE: ${tokenFile} is empty.`);
  return token;
}
