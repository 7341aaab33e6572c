import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A program in the place of Ansible, in jobs that are real: supervisor, wrapper, log and delivery.
 * @param {string} directory @param {string} script what it does as `ansible-playbook`, in bash
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
