import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { isAbsent } from '../runner/files.js';
import { nameRemoval } from '../runner/leftovers.js';
import type { Place } from './place.js';

/** The files of a job that is not over. */
export function workPaths(directory: string) {
  return {
    directory,
    /** What the user sees as `/`. */
    root: join(directory, 'root'),
    resolver: join(directory, 'resolver'),
    /** The files that sshd reads, and its log. */
    ssh: {
      config: join(directory, 'sshd-config'),
      hostKey: join(directory, 'host-key'),
      authorizedKeys: join(directory, 'authorized-keys'),
      passwd: join(directory, 'passwd'),
      shadow: join(directory, 'shadow'),
      log: join(directory, 'sshd.log'),
    },
    /** The folder that becomes the new image. */
    image: join(directory, 'image'),
  };
}

export type WorkPaths = ReturnType<typeof workPaths>;

export function toWorkDirectory({ work }: Place, jobId: string): string {
  return join(work, jobId);
}

/** Moves the job's directory out of the way, which is fast whatever its size; `createClearing` removes it. May be repeated. */
export async function putAside(place: Place, jobId: string): Promise<void> {
  try {
    await rename(toWorkDirectory(place, jobId), join(place.work, nameRemoval()));
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}
