import { readFileSync } from 'node:fs';
import { createRepository } from '../../scripts/lib/git-repository.mjs';
import { findProcesses } from '../../scripts/lib/processes.mjs';
import { pause } from '../../scripts/demo/service.mjs';
import { readMemory } from '../memory.mjs';
import { requireSuccess } from './control.mjs';
import { openStand, submitAll } from './stand.mjs';

const FORKS = 100;
const LIMIT_MS = 300_000;

/** Long enough for all forks to wait at the same time, even on a small machine. */
const PLAYBOOK = `- hosts: all
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.command: sleep 40
`;

/**
 * The peak memory of real Ansible with 100 forks, each on a host of its own with `connection: local`. What the modules run
 * is reported separately: with remote hosts it runs there, and here SSH takes its place.
 * @param {import('./bench-load.mjs').Site} site @returns {Promise<import('../api/figures.mjs').Figure[]>}
 */
export async function measureForks(site) {
  const stand = await openStand(site);
  const repository = createRepository({ files: { 'site.yml': PLAYBOOK } });
  try {
    const { client } = stand;
    const layer = { clone_url: repository.url, playbook: 'site.yml', commit: repository.commit };
    await client.put('/v3/configurations/bench', { layers: [layer] });
    const members = Array.from({ length: FORKS }, (_, index) => `x${index}`);
    await submitAll(stand, ['forks'], {
      configuration_name: 'bench',
      ansible_passthrough: `--forks ${FORKS}`,
      target: { definition: 'spec', groups: [{ name: 'all_of_them', members }] },
    });
    const { most, sampled } = await watch(stand, site.signal);
    await requireSuccess(stand, ['forks']);
    const toFigure = (
      /** @type {string} */ what,
      /** @type {any} */ { count, resident, shared },
    ) => ({
      ...{ what, value: shared / 1e6, unit: 'MB' },
      more: { resident: resident / 1e6, processes: count },
    });
    return [
      toFigure(`Ansible with ${FORKS} forks, memory that is its own share`, most.ansible),
      toFigure('what its modules run beside it', most.modules),
      { what: 'looks at it', value: sampled, unit: '' },
    ];
  } finally {
    await stand.close();
    repository.remove();
  }
}

/** Samples until the session is complete. @param {import('./stand.mjs').Stand} stand @param {AbortSignal} signal */
async function watch({ client }, signal) {
  const none = { count: 0, resident: 0, shared: 0 };
  const most = { ansible: none, modules: none };
  let sampled = 0;
  for (const deadline = Date.now() + LIMIT_MS; Date.now() < deadline; await pause(signal, 1000)) {
    const { status } = await client.get('/v3/sessions/forks');
    if (status.session.status === 'complete') return { most, sampled };
    if (status.session.job === null) continue;
    const now = readAnsible(status.session.job);
    sampled += 1;
    if (now.ansible.shared > most.ansible.shared) most.ansible = now.ansible;
    if (now.modules.shared > most.modules.shared) most.modules = now.modules;
  }
  throw new Error(`The session was not over after ${LIMIT_MS / 1000} s.`);
}

/** @param {string} job */
function readAnsible(job) {
  const sums = {
    ansible: { count: 0, resident: 0, shared: 0 },
    modules: { count: 0, resident: 0, shared: 0 },
  };
  for (const pid of findProcesses({ marks: [`KEELSON_JOB=${job}`] })) {
    const command = readCommand(pid);
    if (/ -m job (all|run) /.test(command)) continue;
    const sum = command.includes('ansible-playbook') ? sums.ansible : sums.modules;
    const { resident, shared } = readMemory(pid);
    sum.count += 1;
    sum.resident += resident;
    sum.shared += shared;
  }
  return sums;
}

/** @param {number} pid */
function readCommand(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
