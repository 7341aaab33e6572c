import { watch, type FSWatcher } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findKind, resolveInRoot } from './root-path.js';

/** How the user has ended the work: the name of the file that it has created. */
export type Verdict = 'complete' | 'failed';

const VERDICTS: readonly Verdict[] = ['failed', 'complete'];
/** The flag is also polled, because a watch ends with its directory, which a playbook may replace. */
const LOOK_MILLISECONDS = 1000;

/** Reads the flag in the image's `/tmp`. If both are there, `failed` counts. */
export async function readFlag(root: string): Promise<Verdict | undefined> {
  const directory = await resolveInRoot(root, '/tmp');
  for (const verdict of VERDICTS)
    if ((await findKind(join(directory, verdict))) !== undefined) return verdict;
  return undefined;
}

export async function removeFlags(root: string): Promise<void> {
  const directory = await resolveInRoot(root, '/tmp');
  for (const verdict of VERDICTS)
    await rm(join(directory, verdict), { recursive: true, force: true });
}

/** Waits for a flag. Undefined if the environment has ended without one. */
export async function waitForFlag(
  root: string,
  isAlive: () => boolean,
  signal: AbortSignal,
): Promise<Verdict | undefined> {
  const bell = createBell(await resolveInRoot(root, '/tmp'), signal);
  try {
    for (;;) {
      signal.throwIfAborted();
      // Checked before the flag, because the environment may set one just before it ends.
      const alive = isAlive();
      const verdict = await readFlag(root);
      if (verdict !== undefined || !alive) return verdict;
      await bell.rung();
    }
  } finally {
    bell.close();
  }
}

/** Rings when a flag comes or goes, every second, and when the signal aborts. */
function createBell(directory: string, signal: AbortSignal) {
  let ring: () => void = () => undefined;
  const wake = () => ring();
  const timer = setInterval(wake, LOOK_MILLISECONDS);
  const watcher = openWatch(directory, wake);
  signal.addEventListener('abort', wake);
  return {
    rung: () => new Promise<void>((resolve) => (ring = resolve)),
    close() {
      clearInterval(timer);
      watcher?.close();
      signal.removeEventListener('abort', wake);
    },
  };
}

/** Undefined if the kernel has no watches left, or a playbook has just removed the directory. */
function openWatch(directory: string, wake: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(directory, (_event, name) => {
      if ((VERDICTS as readonly (string | null)[]).includes(name)) wake();
    });
    return watcher.on('error', () => watcher.close());
  } catch {
    return undefined;
  }
}
