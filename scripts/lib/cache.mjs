import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

const POSTGRES = '/usr/lib/postgresql';

/** @typedef {Readonly<Record<string, string | undefined>>} Environment */

export const TEMPORAL_VERSION = '1.5.1';
export const HELM_VERSION = '4.3.1';

/** @param {Environment} env */
export function cacheDirectory(env) {
  const base = env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return env.KEELSON_CACHE || join(base, 'keelson');
}

/** @param {Environment} env */
export function cachedTemporal(env) {
  return join(cacheDirectory(env), `temporal-${TEMPORAL_VERSION}`, 'temporal');
}

/** @param {Environment} env */
export function cachedHelm(env) {
  return join(cacheDirectory(env), `helm-${HELM_VERSION}`, 'helm');
}

/**
 * Also looks in the folders of server programs, which an ordinary user's path may leave out.
 * @param {string} name @param {Environment} env
 */
export function findProgram(name, env) {
  if (name.includes('/')) return isProgram(name) ? name : undefined;
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  if (name === 'sshd') folders.push('/usr/sbin', '/usr/local/sbin', '/sbin');
  if (name === 'initdb') folders.push(...listPostgres());
  return folders.map((folder) => join(folder, name)).find(isProgram);
}

/** Debian installs each PostgreSQL version in its own folder outside the path; the newest comes first. */
function listPostgres() {
  const versions = existsSync(POSTGRES) ? readdirSync(POSTGRES).map(Number) : [];
  return versions
    .sort((left, right) => right - left)
    .map((each) => join(POSTGRES, `${each}`, 'bin'));
}

/** @param {string} file */
export function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
