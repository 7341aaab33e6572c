import { afterEach, describe, expect, it } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRepository } from '../support/git-repository.js';
import {
  ANSIBLES,
  anInventoryPhase,
  aPlaybookPhase,
  HAS_ANSIBLE,
  readResults,
  readTree,
  renderHosts,
} from './ansible-plan.js';
import { createJob, PROJECT, type TestJob } from './harness.js';

const FIXTURE = join(PROJECT, 'test/fixtures/contract-repo');
const closing: (() => void)[] = [];
afterEach(() => closing.splice(0).forEach((close) => close()));

function aContractJob(ansiblePlaybook: string): TestJob {
  const layer = createRepository({ files: readTree(join(FIXTURE, 'layer')) });
  const hosts = createRepository({ files: readTree(join(FIXTURE, 'hosts')) });
  const { url, commit } = layer;
  const expected = { commit, url, session: 'contract session' };
  const shared = {
    clone_url: url,
    limit: 'compute,i1,!x3',
    verbosity: 1,
    passthrough: `-e '${JSON.stringify({ expected })}' --extra-vars "greeting='hello  world'"`,
  };
  const aClone = (name: string, directory: string, repository: object) => {
    const kind = directory === 'hosts' ? 'git-clone-hosts' : 'git-clone';
    return { name, kind, directory, repository, timeout_seconds: 60 };
  };
  const job = createJob({
    phases: [
      aClone('git-clone-0', 'layer0', { url, commit }),
      aClone('git-clone-3', 'layer3', { url, commit }),
      aClone('git-clone-hosts', 'hosts', { url: hosts.url, commit: hosts.commit }),
      anInventoryPhase(),
      aPlaybookPhase(0, shared),
      aPlaybookPhase(3, { ...shared, previous_layer: '0' }),
    ],
    plan: { session_name: expected.session, ansible_playbook: ansiblePlaybook },
    environment: { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' },
    files: {
      'workspace/ssh/id_ecdsa': 'a key',
      'files/inventory.gz': renderHosts({
        compute: { x1: {}, x2: {}, x3: {} },
        cfs_image: { i1: { cray_cfs_image: true } },
      }),
    },
  });
  closing.push(
    () => job.remove(),
    () => layer.remove(),
    () => hosts.remove(),
  );
  return job;
}

(HAS_ANSIBLE ? describe : describe.skip)('what playbooks see', () => {
  it.each([...ANSIBLES])('is as promised, with Ansible %s', async (_series, ansiblePlaybook) => {
    process.env['KEELSON_TEST_CANARY'] = 'worker';
    const job = aContractJob(ansiblePlaybook);
    await job.run();
    for (const phase of ['inventory', 'ansible-0', 'ansible-3'])
      expect(`${job.log(phase)}${job.phase(phase)?.exit_code}`).toMatch(/^0$/m);
    expect(job.log('inventory')).toContain('Inventory: hosts 4, groups 2\n');
    for (const host of ['x1', 'x2', 'i1'])
      expect(readFileSync(job.path('workspace', `trace-3-${host}`), 'utf8')).toBe(
        `from the role ${host}`,
      );
    expect(existsSync(job.path('workspace/trace-0-x3'))).toBe(false);
    expect(readResults(job, 'ansible-3')).toHaveLength(3);
  });
});
