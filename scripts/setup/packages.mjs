import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError, runCommand } from './command.mjs';

/** node_modules/ as package-lock.json has it. @param {string} root */
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
 * By content, not by time: a fresh checkout of the same lock file is no reason to install again. Optional packages are
 * those of other platforms; extraneous ones stand in a lock file and are never installed.
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

/** Under `npm run` the npm that runs, else the one on the path. */
function npm() {
  const script = process.env.npm_execpath;
  return script?.endsWith('.js') ? [process.execPath, script] : ['npm'];
}
