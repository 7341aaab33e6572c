import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The Debian package of each program, for messages. */
const PACKAGES = {
  unsquashfs: 'squashfs-tools',
  mksquashfs: 'squashfs-tools',
  sshd: 'openssh-server',
  'ssh-keygen': 'openssh-client',
  unshare: 'util-linux',
  setpriv: 'util-linux',
  mount: 'mount',
} as const;

/** The path of each program. It must be absolute, because sshd starts itself again. */
export type ImageTools = Readonly<Record<keyof typeof PACKAGES, string>>;

/** Returns the programs, or a sentence that says why this machine cannot serve images. */
export function findImageTools(): ImageTools | string {
  if (process.getuid?.() !== 0)
    return 'The image service must run as root: it unpacks images with their owners and devices, and confines sshd to them.';
  const names = Object.keys(PACKAGES) as (keyof typeof PACKAGES)[];
  const found = names.map((name) => [name, findProgram(name)] as const);
  const missing = found.filter(([, file]) => file === undefined).map(([name]) => name);
  if (missing.length > 0) {
    const packages = [...new Set(missing.map((name) => PACKAGES[name]))];
    return `Images need ${missing.join(', ')}, which this machine does not have; on Debian: apt-get install ${packages.join(' ')}`;
  }
  return Object.fromEntries(found) as unknown as ImageTools;
}

/** Also looks in the system's folders, which a path may leave out. */
function findProgram(name: string): string | undefined {
  const folders = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => folder.startsWith('/'));
  return [...folders, '/usr/sbin', '/sbin', '/usr/bin', '/bin']
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
