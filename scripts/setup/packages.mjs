import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError, runCommand } from './command.mjs';

/** Installs node_modules/ as in package-lock.json. @param {string} root */
export async function ensurePackages(root) {
  if (!isInstalled(root)) {
    const title = 'npm packages: npm ci downloads and unpacks them (about 810 MB on disk)';
    await runCommand(title, [...npm(), 'ci', '--no-audit', '--no-fund'], { cwd: root });
  }
  if (!existsSync(join(root, 'node_modules', '.bin', 'node'))) {
    const [major = 0] = process.versions.node.split('.').map(Number);
    if (major < 24) {
      throw new SetupError(
        `Node 24 is needed and comes with the npm packages for Linux on x64 and arm64 only (this is ` +
          `${process.platform} on ${process.arch}, Node ${process.versions.node}). Install Node 24.`,
      );
    }
  }
}

/**
 * Compares content and not times, so that a fresh checkout of the same lock file installs nothing. Optional packages may be
 * for other platforms; extraneous ones are in a lock file but never installed.
 * @param {string} root
 */
function isInstalled(root) {
  const installed = readPackages(join(root, 'node_modules', '.package-lock.json'));
  if (installed === undefined) return false;
  const wanted = readPackages(join(root, 'package-lock.json')) ?? {};
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const found = installed[path];
    return found === undefined
      ? entry.optional === true || entry.extraneous === true
      : found.version === entry.version;
  });
}

/** @param {string} file @returns {Record<string, { version?: string, optional?: boolean, extraneous?: boolean }> | undefined} */
function readPackages(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).packages : undefined;
}

/** Under `npm run`, the running npm; otherwise the one on the path. */
function npm() {
  const script = process.env.npm_execpath;
  return script?.endsWith('.js') ? [process.execPath, script] : ['npm'];
}
