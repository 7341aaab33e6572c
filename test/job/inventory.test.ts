import { afterEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { findErrorLine } from '../../src/core/error-line.js';
import {
  ANSIBLE_MINOR,
  anInventoryPhase,
  aPlaybookPhase,
  HAS_ANSIBLE,
  renderHosts,
} from './ansible-plan.js';
import { ANSIBLE, createJob, exitOf, type TestJob } from './harness.js';

const jobs: TestJob[] = [];
afterEach(() => jobs.splice(0).forEach((job) => job.remove()));

function aJob(files: Record<string, string | Uint8Array>, definition = 'spec'): TestJob {
  const job = createJob({ phases: [anInventoryPhase(definition)], files });
  jobs.push(job);
  return job;
}

async function run(job: TestJob): Promise<number | null> {
  return exitOf(job.startPhase('inventory'));
}

/** The variables of a host as Ansible sees them. */
function variablesOf(job: TestJob, host: string): Record<string, unknown> {
  const list = join(dirname(ANSIBLE), 'ansible-inventory');
  const text = execFileSync(list, ['-i', job.path('workspace/hosts'), '--host', host], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], LANG: 'C.UTF-8', HOME: job.directory },
  });
  return JSON.parse(text) as Record<string, unknown>;
}

const GENERATED = renderHosts({ compute: { x1: {} }, cfs_image: { i1: { cray_cfs_image: true } } });

(HAS_ANSIBLE ? describe : describe.skip)('inventory', () => {
  it('puts the generated inventory beside the additional one, which overrides it', async () => {
    const job = aJob({
      'files/inventory.gz': GENERATED,
      'workspace/hosts/02-site.yaml': 'compute: {hosts: {x9: {}}, vars: {a: 1}}',
      'workspace/hosts/group_vars/all.yml': 'b: 2',
      'workspace/hosts/README.md': '# not an inventory',
      'workspace/hosts/LICENSE': 'Copyright (c) {2026: [\n',
    });
    expect(await run(job)).toBe(0);
    expect(job.log('inventory')).toBe('Inventory: hosts 3, groups 2\n');
    expect(variablesOf(job, 'x1')).toMatchObject({ a: 1, b: 2, cray_cfs_image: false });
    expect(variablesOf(job, 'i1')).toMatchObject({ b: 2, cray_cfs_image: true });
  });

  it('takes only the additional inventory, whatever ansible.cfg has Ansible print and ignore', async () => {
    const files = {
      'workspace/hosts/site': '[compute]\nx[1:3]\n',
      'workspace/hosts/more.ini': '[compute]\nx4\n',
      'workspace/ansible.cfg':
        '[defaults]\nverbosity = 4\ndebug = True\n[inventory]\nignore_extensions = .bak\n',
    };
    const job = aJob(files, 'repo');
    expect(await run(job)).toBe(0);
    expect(job.log('inventory')).toBe('Inventory: hosts 4, groups 1\n');
    expect(variablesOf(job, 'x2')).toMatchObject({ cray_cfs_image: false });
  });

  it('ends with 72 if the additional inventory is the target and does not exist', async () => {
    const job = aJob({}, 'repo');
    expect(await run(job)).toBe(72);
    expect(job.log('inventory')).toMatch(/^ERROR! The target is the additional inventory/);
  });

  it('ends with 72 if Ansible would only warn that it cannot read a source', async () => {
    const job = aJob({
      'files/inventory.gz': GENERATED,
      'workspace/hosts/02-site.yaml': 'compute: {hosts: [',
    });
    expect(await run(job)).toBe(72);
    expect(job.log('inventory')).toContain('02-site.yaml');
    expect(job.log('inventory')).toMatch(/\nAnsible cannot read the inventory/);
    // Ansible's error is the last one, so the message of the session has it.
    expect(findErrorLine(job.log('inventory'))).toMatch(/^hosts\/02-site.yaml: .*did not find/);
  });

  it('ends with 72 if the variables of a group cannot be read', async () => {
    const job = aJob({
      'files/inventory.gz': GENERATED,
      'workspace/hosts/group_vars/compute.yml': 'a: [',
    });
    expect(await run(job)).toBe(72);
  });

  it('ends with 79 and the name of a missing program', async () => {
    const plan = { ansible_playbook: '/nowhere/ansible-playbook' };
    const files = { 'files/inventory.gz': GENERATED };
    const job = createJob({ phases: [anInventoryPhase('spec')], files, plan });
    jobs.push(job);
    expect(await run(job)).toBe(79);
    expect(job.log('inventory')).toBe(
      'ERROR! /nowhere/ansible-inventory, beside ansible-playbook, cannot be started: No such file or directory.\n',
    );
  });

  it('reports what a limit names and the inventory does not have', async () => {
    const limit = 'x1,compute,empty,x7,!x8,x9*,localhost';
    const phases = [anInventoryPhase(), ...[0, 1].map((layer) => aPlaybookPhase(layer, { limit }))];
    const files = { 'files/inventory.gz': renderHosts({ compute: { x1: {} }, empty: {} }) };
    const job = createJob({ phases, files });
    jobs.push(job);
    expect(await run(job)).toBe(0);
    expect(job.log('inventory')).toMatch(/^WARNING: .* a name in the limit: x7$/m);
    expect(job.log('inventory')).toMatch(/^keelson-report:/m);
    expect(JSON.parse(readFileSync(job.path('results/inventory.json'), 'utf8'))).toMatchObject({
      hosts: [{ host: 'x7', ok: 0, message: expect.stringContaining('no host or group') }],
    });
  });

  it('reports groups that a limit names where it means hosts', async () => {
    const phase = { limit: 'x1,compute,empty,x2,x7', limit_names_hosts: true };
    const groups = { compute: { x1: {}, x2: {} }, x2: { x2: {} }, empty: {} };
    const job = createJob({
      phases: [anInventoryPhase(), aPlaybookPhase(0, phase)],
      files: { 'files/inventory.gz': renderHosts(groups) },
    });
    jobs.push(job);
    expect(await run(job)).toBe(0);
    expect(job.log('inventory')).toMatch(
      /^WARNING: .* groups are left out of it: compute, empty$/m,
    );
    expect(JSON.parse(readFileSync(job.path('results/inventory.json'), 'utf8'))).toMatchObject({
      hosts: [
        { host: 'x7', message: expect.stringContaining('no host or group') },
        { host: 'compute', message: expect.stringContaining('it is a group') },
        { host: 'empty' },
      ],
    });
  });

  it('accepts an inventory without hosts, and names files that Ansible ignores', async () => {
    const files = {
      'files/inventory.gz': gzipSync('{"all": {"children": {}}}'),
      'workspace/hosts/02-static.ini': '[compute]\nx1\n',
    };
    const job = aJob(files, 'dynamic');
    expect(await run(job)).toBe(0);
    expect(job.log('inventory')).toBe(
      ANSIBLE_MINOR < 19
        ? 'Inventory: hosts 0, groups 0\nWARNING: Ansible does not read files whose name ends in .ini: 02-static.ini\n'
        : 'Inventory: hosts 1, groups 1\n',
    );
  });
});
