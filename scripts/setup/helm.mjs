import { HELM_VERSION, cachedHelm, findProgram } from '../lib/cache.mjs';
import { ensureCompiled } from './go.mjs';

/**
 * Helm, which the tests of the chart use: on the path, cached, or compiled.
 * @param {import('../lib/cache.mjs').Environment} env
 */
export async function ensureHelm(env) {
  if (findProgram('helm', env) !== undefined) return;
  const title = `Helm ${HELM_VERSION} (1 to 6 minutes on 2 cores; up to 1 GB in the module cache of Go)`;
  const module = `helm.sh/helm/v4/cmd/helm@v${HELM_VERSION}`;
  await ensureCompiled({ title, module, file: cachedHelm(env) }, env);
}
