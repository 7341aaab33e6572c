import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { SetupError, runCommand } from '../setup/command.mjs';
import { cacheDirectory, findProgram } from './cache.mjs';
import { withLock } from './files.mjs';

/** Raised when the recipe changes. */
const RECIPE = 1;
const MIRROR = 'http://deb.debian.org/debian';
const DRAFT = 'image-root.new-';
/** Packages that a small machine can do without. */
const NEEDLESS = ['usr/share/doc', 'usr/share/info', 'usr/share/locale', 'usr/share/man'];
const LEFTOVERS = ['var/cache/apt', 'var/lib/apt/lists', 'var/log'];

/**
 * A squashfs file with the smallest root of this machine's Debian that Ansible can work in. Built once, then cached.
 * @param {import('./cache.mjs').Environment} env
 */
export async function ensureImageRoot(env) {
  const cache = cacheDirectory(env);
  const { suite, mirror } = findSource(env);
  const file = join(cache, `image-root-${suite}-${RECIPE}.squashfs`);
  mkdirSync(cache, { recursive: true });
  await withLock(join(cache, 'image-root.lock'), async () => {
    if (existsSync(file)) return;
    for (const name of readdirSync(cache).filter((each) => each.startsWith(DRAFT)))
      rmSync(join(cache, name), { recursive: true });
    const draft = mkdtempSync(join(cache, DRAFT));
    try {
      await build(draft, { suite, mirror });
      renameSync(join(draft, 'root.squashfs'), file);
    } finally {
      rmSync(draft, { recursive: true, force: true });
    }
  });
  return file;
}

/** @param {string} draft @param {{ suite: string, mirror: string }} source */
async function build(draft, { suite, mirror }) {
  if (process.getuid?.() !== 0) throw new SetupError('Only root can build the root of an image.');
  const root = join(draft, 'root');
  const dpkg = join(root, 'etc', 'dpkg', 'dpkg.cfg.d', 'draft');
  mkdirSync(join(dpkg, '..'), { recursive: true, mode: 0o755 });
  // Without syncs it takes half the time. A root that a power failure damages is thrown away anyway.
  writeFileSync(
    dpkg,
    ['force-unsafe-io', ...NEEDLESS.map((path) => `path-exclude=/${path}/*`), ''].join('\n'),
  );
  // In its own mount and PID namespaces, so that nothing is left when it is interrupted.
  const isolated = ['unshare', '--mount', '--pid', '--fork', '--kill-child'];
  const debootstrap = [
    'debootstrap',
    '--variant=minbase',
    '--include=python3',
    suite,
    root,
    mirror,
  ];
  const title = `Image root: debootstrap of Debian ${suite} with Python (downloads about 50 MB)`;
  await runCommand(title, [...isolated, ...debootstrap]);
  rmSync(dpkg);
  for (const path of [...NEEDLESS, ...LEFTOVERS]) empty(join(root, path));
  // Made by debootstrap, or copied from this machine.
  for (const name of ['hostname', 'resolv.conf']) rmSync(join(root, 'etc', name), { force: true });
  const pack = ['mksquashfs', root, join(draft, 'root.squashfs'), '-comp', 'zstd', '-no-progress'];
  await runCommand('Image root: mksquashfs', [...pack, '-Xcompression-level', '6']);
}

/** Empties the folders but keeps them, because programs expect them. @param {string} directory */
function empty(directory) {
  if (!existsSync(directory)) return;
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true }))
    if (!entry.isDirectory()) rmSync(join(entry.parentPath, entry.name), { force: true });
}

/**
 * This machine's suite and mirror; on other systems, Debian's current suite.
 * @param {import('./cache.mjs').Environment} env
 */
function findSource(env) {
  const release = readFileSync('/etc/os-release', 'utf8');
  const suite = /^VERSION_CODENAME="?(\w+)/m.exec(release)?.[1] ?? 'bookworm';
  const apt = findProgram('apt-get', env);
  const format = '$(REPO_URI) $(CODENAME) $(COMPONENT)';
  const told =
    apt === undefined
      ? ''
      : execFileSync(apt, ['indextargets', '--format', format, 'Created-By: Packages'], {
          encoding: 'utf8',
        });
  const lines = told.split('\n').map((line) => line.split(' '));
  const main = lines.find(([, codename, component]) => codename === suite && component === 'main');
  return { suite, mirror: main?.[0] ?? MIRROR };
}
