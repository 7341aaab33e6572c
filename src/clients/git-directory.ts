import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceError } from '../core/errors.js';

const PREFIX = 'keelson-remote-';
/** Longer than any use of a directory may take. */
const ABANDONED_MS = 600_000;

/** Creates a directory that only this user can read, and removes it when `act` ends. */
export async function withGitDirectory<T>(act: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), PREFIX)).catch(throwNoRoom);
  try {
    return await act(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Writes a file that only this user can read, and returns its path. */
export async function writeGitFile(path: string, content: string): Promise<string> {
  await writeFile(path, content, { mode: 0o600 }).catch(throwNoRoom);
  return path;
}

function throwNoRoom(cause: NodeJS.ErrnoException): never {
  throw new ServiceError(
    'unavailable',
    `The directory ${tmpdir()} cannot be written to (${cause.code}), and git needs it.`,
    { reason: 'GIT_CLONE', cause },
  );
}

/** Removes directories that killed processes have left, because they may contain credentials. */
export async function removeAbandonedDirectories(): Promise<void> {
  const names = await readdir(tmpdir());
  for (const name of names.filter((each) => each.startsWith(PREFIX))) {
    const path = join(tmpdir(), name);
    const { mtimeMs = Date.now(), uid } = await stat(path).catch(() => ({
      mtimeMs: undefined,
      uid: -1,
    }));
    const isAbandoned = uid === process.getuid?.() && Date.now() - mtimeMs > ABANDONED_MS;
    if (isAbandoned) await rm(path, { recursive: true, force: true });
  }
}
