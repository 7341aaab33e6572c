import { createRepository } from '../../scripts/lib/git-repository.mjs';
import { requireSuccess } from './control.mjs';
import { runByHand } from './local-by-hand.mjs';
import { openStand, submitAll, toNames, waitUntilComplete } from './stand.mjs';
import { readCpuSeconds } from './waiting.mjs';

const SESSIONS = 60;
/** More at once would only compete for the two cores. */
const AT_ONCE = 4;
const LIMIT_MS = 600_000;

const PLAYBOOK = `- hosts: all
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: bench
`;

/**
 * Sessions per second with real jobs: git clones a repository, Ansible reads the inventory and runs a playbook of one task
 * on two hosts, without connecting to them. Then the same programs by hand.
 * @param {import('./bench-load.mjs').Site} site @returns {Promise<import('../api/figures.mjs').Figure[]>}
 */
export async function measureLocal(site) {
  const stand = await openStand(site);
  const repository = createRepository({ files: { 'site.yml': PLAYBOOK } });
  try {
    const { client } = stand;
    const layer = { clone_url: repository.url, playbook: 'site.yml', commit: repository.commit };
    await client.put('/v3/configurations/bench', { layers: [layer] });
    await client.patch('/v3/options', { max_running_sessions: AT_ONCE });
    const names = toNames('local', Math.max(AT_ONCE, Math.ceil(SESSIONS * site.scale)));
    const readCpu = () => readCpuSeconds(stand.api.pid) + readCpuSeconds(stand.worker.pid);
    const cpuBefore = readCpu();
    const begin = performance.now();
    await submitAll(stand, names, { configuration_name: 'bench' });
    await waitUntilComplete(stand, site.signal, LIMIT_MS);
    const value = names.length / ((performance.now() - begin) / 1000);
    const cpu = (readCpu() - cpuBefore) / names.length;
    await requireSuccess(stand, names);
    const byHand = await runByHand(repository.url, {
      count: names.length,
      atOnce: AT_ONCE,
      signal: site.signal,
    });
    const what = `sessions of 3 phases, ${AT_ONCE} of ${names.length} at a time, real jobs`;
    return [
      { what, value, unit: '/s', least: 2 },
      {
        what: 'the same clones and programs by hand, as many at a time',
        value: byHand,
        unit: '/s',
      },
      { what: 'sessions over the same by hand', value: value / byHand, unit: 'times' },
      { what: 'processor time of API and worker for each', value: cpu, unit: 's' },
    ];
  } finally {
    await stand.close();
    repository.remove();
  }
}
