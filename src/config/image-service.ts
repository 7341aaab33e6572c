import { isIP } from 'node:net';
import { join } from 'node:path';
import { omitUndefined } from '../core/omit-undefined.js';
import { isLoopback, type Address } from './address.js';
import type { EnvironmentReader } from './environment.js';

/** Settings of the service that stores and customizes images for sites without an IMS. */
export interface ImageServiceConfig {
  readonly directory: string;
  /** Absent: port 9000 on loopback, or a free port if `npm start` starts it. */
  readonly listen?: Address;
  readonly tokenFile?: string;
  /** IP address at which the environments of jobs are reached. */
  readonly sshAddress: string;
  /** 0: unlimited. */
  readonly maxJobAgeSeconds: number;
  readonly enableDkms: boolean;
}

/** The longest time that a timer of Node can wait. */
const MAX_TIMER_SECONDS = 2_147_483;

export function parseImageService(
  read: EnvironmentReader,
  dataDirectory: string,
): ImageServiceConfig {
  const tokenFile = read.file('IMAGE_SERVICE_TOKEN_FILE');
  return omitUndefined({
    directory: read.text('IMAGE_SERVICE_DIRECTORY') ?? join(dataDirectory, 'image-service'),
    listen: parseListen(read, tokenFile),
    tokenFile,
    sshAddress: parseSshAddress(read),
    maxJobAgeSeconds: parseMaxJobAge(read),
    enableDkms: parseEnableDkms(read),
  });
}

function parseListen(read: EnvironmentReader, tokenFile: string | undefined): Address | undefined {
  const address = read.address('IMAGE_SERVICE_LISTEN');
  if (address !== undefined && !isLoopback(address) && tokenFile === undefined)
    throw new Error(
      `IMAGE_SERVICE_LISTEN: ${address.host} is not a loopback address. Set IMAGE_SERVICE_TOKEN_FILE: whoever may use the service can become root on this machine.`,
    );
  return address;
}

/** Clients connect to this address, so it must belong to an interface and cannot be a wildcard. */
function parseSshAddress(read: EnvironmentReader): string {
  const address = read.text('IMAGE_SSH_ADDRESS') ?? '127.0.0.1';
  if (isIP(address) === 0 || ['0.0.0.0', '::'].includes(address))
    throw new Error(`IMAGE_SSH_ADDRESS: "${address}" is not the IP address of an interface.`);
  return address;
}

function parseMaxJobAge(read: EnvironmentReader): number {
  const seconds = read.integer('IMAGE_JOB_MAX_AGE', { fallback: 604_800, minimum: 0 });
  if (seconds > MAX_TIMER_SECONDS)
    throw new Error(`IMAGE_JOB_MAX_AGE: ${seconds} is more than ${MAX_TIMER_SECONDS}.`);
  return seconds;
}

function parseEnableDkms(read: EnvironmentReader): boolean {
  const text = read.text('JOB_ENABLE_DKMS') ?? 'true';
  if (!/^(?:true|false)$/i.test(text))
    throw new Error(`JOB_ENABLE_DKMS: "${text}" is not true or false.`);
  return text.toLowerCase() === 'true';
}
