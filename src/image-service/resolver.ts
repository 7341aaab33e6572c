import { copyFile, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { exists, mark } from '../runner/files.js';
import { findKind, resolveInRoot } from './root-path.js';

const HOSTS_OWN = '/etc/resolv.conf';

/**
 * Gives the image this machine's name servers for the time of its environment. A copy, not a mount: a playbook that replaces
 * the file, by rename, would fail on one. The image's own is kept beside the root, where no playbook that tidies up finds it.
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

/**
 * Puts back the file that the image had, or removes the lent one if it had none. May be repeated, also where it was broken
 * off.
 */
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
