import { join } from 'node:path';
import { cacheDirectory, cachedHelm, cachedTemporal, findProgram, isProgram } from './cache.mjs';

/**
 * The tools that the setup found or installed, in the same order of preference. A missing tool is undefined.
 * @param {import('./cache.mjs').Environment} env
 */
export function findTools(env) {
  const cache = cacheDirectory(env);
  const inCache = (/** @type {string} */ path) => {
    const file = join(cache, path);
    return isProgram(file) ? file : undefined;
  };
  return {
    temporalAddress: env.TEMPORAL_ADDRESS || undefined,
    temporal:
      findProgram(env.TEMPORAL_CLI || 'temporal', env) ??
      (isProgram(cachedTemporal(env)) ? cachedTemporal(env) : undefined),
    ansiblePlaybook: env.ANSIBLE_PLAYBOOK
      ? findProgram(env.ANSIBLE_PLAYBOOK, env)
      : inCache('ansible/bin/ansible-playbook'),
    python: env.PYTHON || inCache('ansible/bin/python3') || findProgram('python3', env),
    helm: findProgram('helm', env) ?? (isProgram(cachedHelm(env)) ? cachedHelm(env) : undefined),
    initdb: findProgram('initdb', env),
    ruff: inCache('python-tools/bin/ruff'),
    mypy: inCache('python-tools/bin/mypy'),
  };
}
