import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Puts a program in the place of Ansible. Everything else of the job is real: supervisor, wrapper, log and delivery.
 * @param {string} directory @param {string} script bash that runs as `ansible-playbook`
 * @returns {NodeJS.ProcessEnv} of the worker
 */
export function standInForAnsible(directory, script) {
  mkdirSync(directory);
  const write = (/** @type {string} */ name, /** @type {string} */ text) => {
    const file = join(directory, name);
    writeFileSync(file, `#!/bin/bash\nset -eu\n${text}\n`);
    chmodSync(file, 0o755);
    return file;
  };
  write('ansible-inventory', `echo '{"_meta": {"hostvars": {}}, "all": {"hosts": ["x1"]}}'`);
  return { ANSIBLE_PLAYBOOK: write('ansible-playbook', script) };
}
