import { join } from 'node:path';
import { cacheDirectory } from '../lib/cache.mjs';
import { ensureCompiled } from './go.mjs';

/** As in job/Containerfile. */
const VERSION = '3.13.3';

/**
 * Builds the program that the collection community.sops calls, for any Linux on this processor. Returns its file.
 * @param {import('../lib/cache.mjs').Environment} env
 */
export async function ensureSops(env) {
  const file = join(cacheDirectory(env), `sops-${VERSION}`, 'sops');
  const title = `sops ${VERSION} (1 to 6 minutes on 2 cores; up to 1 GB in the module cache of Go)`;
  const module = `github.com/getsops/sops/v3/cmd/sops@v${VERSION}`;
  await ensureCompiled({ title, module, file, settings: { CGO_ENABLED: '0' } }, env);
  return file;
}
