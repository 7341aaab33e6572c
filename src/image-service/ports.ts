import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { ServiceError } from '../core/errors.js';
import { isOver, type JobRecord, type SshAddress } from './job-record.js';
import type { Records } from './records.js';

/** Below the kernel's range for outgoing connections, so that a free port is likely to be free still when sshd binds it. */
const FIRST = 20_000;
const END = 32_000;
const TRIES = 100;

/** Finds a port that no other job has and on which nobody listens. */
export async function findPort(host: string, jobs: Records<JobRecord>): Promise<SshAddress> {
  const given = (await jobs.list())
    .filter((job) => !isOver(job))
    .map(({ address }) => address.port);
  const taken = new Set(given);
  for (let left = TRIES; left > 0; left -= 1) {
    const port = randomInt(FIRST, END);
    if (!taken.has(port) && (await isFree(host, port))) return { host, port };
  }
  throw new ServiceError('unavailable', `There is no free port at ${host} for a job.`);
}

async function isFree(host: string, port: number): Promise<boolean> {
  const server = createServer().listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') return false;
    throw new ServiceError(
      'unavailable',
      `IMAGE_SSH_ADDRESS: this machine cannot listen at ${host} (${code}).`,
    );
  }
  server.close();
  await once(server, 'close');
  return true;
}
