import { accessSync, constants, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** @typedef {Readonly<Record<string, string | undefined>>} Environment */

export const TEMPORAL_VERSION = '1.5.1';

/** @param {Environment} env */
export function cacheDirectory(env) {
  const base = env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return env.KEELSON_CACHE || join(base, 'keelson');
}

/** @param {Environment} env */
export function cachedTemporal(env) {
  return join(cacheDirectory(env), `temporal-${TEMPORAL_VERSION}`, 'temporal');
}

/**
 * Server programs are found too when the path of an ordinary user leaves their folders out.
 * @param {string} name @param {Environment} env
 */
export function findProgram(name, env) {
  if (name.includes('/')) return isProgram(name) ? name : undefined;
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  if (name === 'sshd') folders.push('/usr/sbin', '/usr/local/sbin', '/sbin');
  return folders.map((folder) => join(folder, name)).find(isProgram);
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
