import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { cacheDirectory, findProgram, isProgram } from '../lib/cache.mjs';
import { SetupError, runCommand } from './command.mjs';

/**
 * Compiles a program that is published as a Go module into a file of the cache, once.
 * @param {{ title: string, module: string, file: string, settings?: Readonly<Record<string, string>> }} what
 * @param {import('../lib/cache.mjs').Environment} env
 */
export async function ensureCompiled({ title, module, file, settings = {} }, env) {
  if (isProgram(file)) return;
  const name = basename(file);
  const go = findProgram('go', env);
  if (go === undefined)
    throw new SetupError(
      `Not found: ${name}, and no Go to compile it. Install one of them, then run this again.`,
    );
  const cache = cacheDirectory(env);
  mkdirSync(cache, { recursive: true });
  for (const entry of readdirSync(cache)) {
    if (entry.startsWith(`${name}.new-`)) rmSync(join(cache, entry), { recursive: true });
  }
  const draft = mkdtempSync(join(cache, `${name}.new-`));
  try {
    await runCommand(`${title}: go install compiles it`, [go, 'install', module], {
      env: { ...process.env, ...settings, GOBIN: draft },
    });
    mkdirSync(dirname(file), { recursive: true });
    renameSync(join(draft, name), file);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}
