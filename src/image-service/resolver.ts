import { copyFile, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { exists, mark } from '../runner/files.js';
import { findKind, resolveInRoot } from './root-path.js';

const HOSTS_OWN = '/etc/resolv.conf';

/**
 * Gives the image this machine's name servers while its environment exists. Copies the file, because a playbook that replaces
 * it by rename would fail on a mount. The image's own file is kept beside the root, where no playbook that cleans up finds it.
 */
export async function lendResolver(root: string, keptIn: string): Promise<void> {
  const etc = await resolveInRoot(root, '/etc');
  if ((await findKind(etc)) !== 'directory' || !(await exists(HOSTS_OWN))) return;
  const own = join(etc, 'resolv.conf');
  await mkdir(keptIn, { mode: 0o700 });
  if ((await findKind(own)) === undefined) await mark(join(keptIn, 'absent'));
  else await rename(own, join(keptIn, 'resolv.conf'));
  await copyFile(HOSTS_OWN, own);
}

/** Restores the image's own file, or removes the lent one if it had none. May be repeated, also after an interruption. */
export async function returnResolver(root: string, keptIn: string): Promise<void> {
  const kept = join(keptIn, 'resolv.conf');
  const isKept = (await findKind(kept)) !== undefined;
  if (isKept || (await exists(join(keptIn, 'absent')))) {
    const lent = join(await resolveInRoot(root, '/etc'), 'resolv.conf');
    await rm(lent, { recursive: true, force: true });
    if (isKept) await rename(kept, lent);
  }
  await rm(keptIn, { recursive: true, force: true });
}
