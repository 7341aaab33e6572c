import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { findProgram } from '../lib/cache.mjs';
import { SetupError, runCommand, toExcerpt } from './command.mjs';

const POLICY = '/usr/sbin/policy-rc.d';

/** The Debian package of each program. @type {Readonly<Record<string, string>>} */
const PACKAGES = {
  git: 'git',
  tar: 'tar',
  ssh: 'openssh-client',
  'ssh-keygen': 'openssh-client',
  sshd: 'openssh-server',
  setpriv: 'util-linux',
  initdb: 'postgresql',
  mksquashfs: 'squashfs-tools',
  unsquashfs: 'squashfs-tools',
  debootstrap: 'debootstrap',
};

/** Download sizes above a few MB. @type {Readonly<Record<string, string>>} */
const SIZES = { postgresql: 'about 45 MB' };

/**
 * Programs from the system: found on the path, or installed by apt-get as root, or else an error with the command to type.
 * @param {readonly string[]} names @param {import('../lib/cache.mjs').Environment} env
 */
export async function ensurePrograms(names, env) {
  const missing = names.filter((name) => findProgram(name, env) === undefined);
  if (missing.length > 0) await installDebian(missing, [...new Set(missing.map(toPackage))], env);
}

/**
 * @param {readonly string[]} missing programs @param {readonly string[]} packages that contain them
 * @param {import('../lib/cache.mjs').Environment} env
 */
export async function installDebian(missing, packages, env) {
  const command = `apt-get install --yes --no-install-recommends ${packages.join(' ')}`;
  const lacks = `Not found: ${missing.join(', ')}.`;
  const apt = findProgram('apt-get', env);
  if (apt === undefined)
    throw new SetupError(`${lacks} Install the package that contains it, then run this again.`);
  if (process.getuid?.() !== 0)
    throw new SetupError(`${lacks} Run this, then try again:\n  sudo ${command}`);
  await withoutServices(async () => {
    const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
    const update = [apt, 'update'];
    const told = await runCommand('System packages: apt-get update', update, options);
    const argv = [apt, 'install', '--yes', '--no-install-recommends', ...packages];
    try {
      await runCommand(`System packages: ${packages.map(toTitle).join(', ')}`, argv, options);
    } catch (error) {
      throw error instanceof SetupError ? new SetupError(error.message + toWarnings(told)) : error;
    }
  });
}

/** Keeps Debian from starting a server that it installs: nobody asked for one on port 22 or 5432. @param {() => Promise<void>} act */
async function withoutServices(act) {
  const own = !existsSync(POLICY);
  const remove = () => rmSync(POLICY, { force: true });
  if (own) {
    writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    process.once('exit', remove);
  }
  try {
    await act();
  } finally {
    if (own) remove();
  }
}

/** What `update` could not read. It succeeds anyway, and then `install` does not know the package. @param {string} told */
function toWarnings(told) {
  const lines = told.split('\n').filter((line) => /^(?:W|E|Err):/.test(line));
  return lines.length === 0 ? '' : `\napt-get update had said:\n${toExcerpt(lines.join('\n'))}`;
}

/** @param {string} name */
function toTitle(name) {
  return `${name} (${SIZES[name] ?? 'a few MB'})`;
}

/** @param {string} name */
function toPackage(name) {
  return PACKAGES[name] ?? name;
}
