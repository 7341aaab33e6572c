import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isAbsent, readNames, removeTree } from './files.js';
import { readProcess } from './process-identity.js';

const PREPARATION = /^\.prepare-(?:(?<pid>\d+)-(?<startTime>\d+)-)?/;
const REMOVAL_PREFIX = '.removed-';
/** More than enough: preparing a job copies a few small files. */
const PREPARATION_MILLISECONDS = 5 * 60_000;

/** The name of a job's directory while it is built. It identifies the building process. */
export function namePreparation(): string {
  const startTime = readProcess(process.pid)?.startTime ?? '0';
  return `.prepare-${process.pid}-${startTime}-${randomUUID()}`;
}

/** The name of a job's directory while it is removed. */
export function nameRemoval(): string {
  return `${REMOVAL_PREFIX}${randomUUID()}`;
}

export function isRemoval(name: string): boolean {
  return name.startsWith(REMOVAL_PREFIX);
}

/**
 * Removes what interrupted preparations and removals left: the former contain keys, the latter all that a session did. One that
 * cannot be removed does not keep the others; the errors are thrown together at the end. A preparation of a live process is
 * removed after `patienceMilliseconds`.
 */
export async function removeLeftovers(
  jobsDirectory: string,
  signal: AbortSignal,
  patienceMilliseconds = PREPARATION_MILLISECONDS,
): Promise<void> {
  const errors: unknown[] = [];
  for (const name of await readNames(jobsDirectory)) {
    signal.throwIfAborted();
    const path = join(jobsDirectory, name);
    try {
      if (isRemoval(name) || (await isDeadPreparation(name, path, patienceMilliseconds)))
        await removeTree(path);
    } catch (error) {
      if (!isAbsent(error)) errors.push(error);
    }
  }
  if (errors.length > 0)
    throw new AggregateError(errors, `leftovers that could not be removed: ${errors.length}`);
}

async function isDeadPreparation(
  name: string,
  path: string,
  patienceMilliseconds: number,
): Promise<boolean> {
  const match = PREPARATION.exec(name);
  if (match === null) return false;
  const { pid, startTime } = match.groups ?? {};
  if (pid !== undefined && readProcess(Number(pid))?.startTime !== startTime) return true;
  return Date.now() - (await stat(path)).mtimeMs > patienceMilliseconds;
}
