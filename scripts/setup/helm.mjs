import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { HELM_VERSION, cacheDirectory, cachedHelm, findProgram, isProgram } from '../lib/cache.mjs';
import { SetupError, runCommand } from './command.mjs';

const MODULE = `helm.sh/helm/v4/cmd/helm@v${HELM_VERSION}`;

/**
 * Helm, by which the chart is tried: on the path, cached, or compiled.
 * @param {import('../lib/cache.mjs').Environment} env
 */
export async function ensureHelm(env) {
  if (findProgram('helm', env) !== undefined || isProgram(cachedHelm(env))) return;
  const go = findProgram('go', env);
  if (go === undefined)
    throw new SetupError(
      'Not found: helm, and no Go to compile it. Install one of them, then run this again.',
    );
  const cache = cacheDirectory(env);
  for (const entry of readdirSync(cache)) {
    if (entry.startsWith('helm.new-')) rmSync(join(cache, entry), { recursive: true });
  }
  const draft = mkdtempSync(join(cache, 'helm.new-'));
  try {
    const title = `Helm ${HELM_VERSION}: go install compiles it (1 to 6 minutes on 2 cores; up to 1 GB in the module cache of Go)`;
    await runCommand(title, [go, 'install', MODULE], { env: { ...process.env, GOBIN: draft } });
    mkdirSync(dirname(cachedHelm(env)), { recursive: true });
    renameSync(join(draft, 'helm'), cachedHelm(env));
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}
