import { afterEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import {
  anInventoryPhase,
  aPlaybookPhase,
  createPlaybookJob,
  HAS_ANSIBLE,
  type PlaybookJobOptions,
} from './ansible-plan.js';
import { exitOf as exitOfChild, type TestJob } from './harness.js';

const jobs: TestJob[] = [];
afterEach(() => jobs.splice(0).forEach((job) => job.remove()));

async function run(options: PlaybookJobOptions & { playbook?: string }): Promise<TestJob> {
  const { playbook, files = {}, ...rest } = options;
  const layer = playbook === undefined ? {} : { 'workspace/layer0/site.yml': playbook };
  const job = createPlaybookJob({ ...rest, files: { ...layer, ...files } });
  jobs.push(job);
  await job.run();
  return job;
}

const exitOf = (job: TestJob): number | null | undefined => job.phase('ansible-0')?.exit_code;
const logOf = (job: TestJob): string => job.log('ansible-0');

/** Appends the names of the hosts that a play ran on to a file. */
const TRACE = `- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.shell: echo {{ inventory_hostname }} >> {{ playbook_dir }}/../trace
`;

function traceOf(job: TestJob): string[] {
  return readFileSync(job.path('workspace/trace'), 'utf8').trim().split('\n').sort();
}

(HAS_ANSIBLE ? describe : describe.skip)('a playbook', () => {
  it.each([
    [
      'is not there',
      'none.yml',
      'There is no playbook none.yml in https://git.example.org/layer.git.',
    ],
    ['is a directory', 'roles', 'There is no playbook roles in https://git.example.org/layer.git.'],
    ['has a name that no file has', 'p'.repeat(256), 'There is no playbook p{256} in .*'],
    ['lies outside', '../ansible.cfg', 'Playbook ../ansible.cfg lies outside of its repository.'],
  ])('that %s ends the phase with 73', async (_what, playbook, message) => {
    const files = { 'workspace/layer0/roles/x': '' };
    const job = await run({ phase: { playbook }, files });
    expect(exitOf(job)).toBe(73);
    expect(logOf(job)).toMatch(new RegExp(`^ERROR! ${message}$`, 'm'));
  });

  it('may wait for async tasks on this machine, and uses the job’s home there', async () => {
    const job = await run({
      groups: { compute: { x1: {} } },
      playbook: `- hosts: all
  gather_facts: false
  tasks:
    - {command: 'true', async: 60, poll: 1}
    - {command: 'true', async: 60, poll: 0, register: begun}
    - async_status: {jid: '{{ begun.ansible_job_id }}'}
      register: seen
      until: seen.finished | bool
      retries: 60
      delay: 1
    - {script: where.sh, register: told}
    - {copy: {content: '{{ told.stdout }}', dest: ~/told}}
`,
      files: { 'workspace/layer0/where.sh': '#!/bin/sh\necho "$0"\n' },
    });
    expect(exitOf(job)).toBe(0);
    const home = job.path('workspace/home');
    expect(readFileSync(`${home}/told`, 'utf8')).toMatch(`${home}/.ansible/tmp/`);
  });

  it('is marked as a check if the plan says so, and runs as its passthrough says', async () => {
    const options = { phase: { passthrough: '--check --diff' }, playbook: TRACE };
    const job = await run({ ...options, plan: { check_mode: true } });
    expect(exitOf(job)).toBe(0);
    expect(logOf(job)).toMatch(/^\s*DRY RUN \*+\n/);
    expect(existsSync(job.path('workspace/trace'))).toBe(false);
    // As a plan of an earlier version, which has no such member.
    const unmarked = await run(options);
    expect(exitOf(unmarked)).toBe(0);
    expect(logOf(unmarked)).not.toContain('DRY RUN');
    expect(existsSync(unmarked.path('workspace/trace'))).toBe(false);
  });

  it('with a syntax error ends with Ansible’s exit code', async () => {
    expect(exitOf(await run({ playbook: '- hosts: all\n  tasks: [}' }))).toBe(4);
  });

  it('may be in a folder, have any name, and is recorded by ARA under its session', async () => {
    const job = await run({
      phase: { playbook: 'plays/über site; echo.yml' },
      files: {
        'workspace/layer0/plays/über site; echo.yml': `- hosts: x1
  gather_facts: false
  tasks:
    - assert: {that: "lookup('env', 'ARA_DEFAULT_LABELS') == lookup('env', 'SESSION_NAME') != ''"}
`,
      },
    });
    expect(exitOf(job)).toBe(0);
  });
});

/** Writes its token to a file and to its output, then fails. */
const SECRETIVE = `- hosts: x1
  gather_facts: false
  tasks:
    - ansible.builtin.shell: echo "$VAULT_TOKEN" | tee {{ playbook_dir }}/../seen; exit 1
`;

(HAS_ANSIBLE ? describe : describe.skip)('the Vault token of a tenant', () => {
  it('is in the environment of playbooks and of a held shell, but in no log and no remaining file', async () => {
    const job = createPlaybookJob({
      phase: { debug_wait_seconds: 3600 },
      files: {
        'secrets/vault-token': 's.of-a-tenant\n',
        'files/launch-notes.gz': gzipSync('noted at the launch\n'),
        'workspace/layer0/site.yml': SECRETIVE,
      },
    });
    jobs.push(job);
    const child = job.start();
    await job.waitForLog('ansible-0', 'Open a shell with: ');
    const [, command = ''] = /Open a shell with: (.*)/.exec(logOf(job)) ?? [];
    const said = execFileSync('sh', ['-c', `${command} -c 'echo $VAULT_TOKEN'`], {
      env: { PATH: process.env['PATH'], SHELL: '/bin/sh' },
      encoding: 'utf8',
    });
    writeFileSync(job.path('workspace/complete'), '');
    await exitOfChild(child);
    expect(readFileSync(job.path('workspace/seen'), 'utf8')).toBe('s.of-a-tenant\n');
    expect(said).toBe('s.of-a-tenant\n');
    expect(logOf(job)).toContain('***');
    for (const file of ['logs/inventory.log', 'logs/ansible-0.log', 'workspace/shell-ansible-0'])
      expect(readFileSync(job.path(file), 'utf8')).not.toContain('s.of-a-tenant');
    expect(existsSync(job.path('secrets'))).toBe(false);
    expect(job.log('inventory')).toMatch(/^noted at the launch\n/);
  });
});

(HAS_ANSIBLE ? describe : describe.skip)('limit', () => {
  const groups = { compute: { x1: {}, x2: {}, x3: {} }, storage: { s1: {} } };

  it.each([
    ['x1,storage', ['s1', 'x1']],
    ['compute:!x2', ['x1', 'x3']],
    ['compute[0:1]', ['x1', 'x2']],
    ['~x[13]', ['x1', 'x3']],
    ['all', ['s1', 'x1', 'x2', 'x3']],
  ])('%s selects %p', async (limit, hosts) => {
    const job = await run({ playbook: TRACE, groups, phase: { limit } });
    expect(exitOf(job)).toBe(0);
    expect(traceOf(job)).toEqual(hosts);
  });

  it('may be longer than one argument can be, and stand at an earlier phase', async () => {
    const many = Array.from({ length: 20_000 }, (_, index) => `absent-host-${index}`);
    const limit = [...many, 'x2'].join(',');
    const phases = [
      anInventoryPhase(),
      aPlaybookPhase(0, { limit }),
      aPlaybookPhase(1, { limit: { same_as: 'ansible-0' } }),
    ];
    const files = { 'workspace/layer1/site.yml': TRACE };
    const job = await run({ playbook: TRACE, groups, plan: { phases }, files });
    expect(traceOf(job)).toEqual(['x2', 'x2']);
  });

  it('selects no group if it names hosts', async () => {
    const phase = { limit: 'compute,s1', limit_names_hosts: true };
    expect(traceOf(await run({ playbook: TRACE, groups, phase }))).toEqual(['s1']);
    const none = await run({ playbook: TRACE, groups, phase: { ...phase, limit: 'compute' } });
    expect(exitOf(none)).toBe(1);
    expect(logOf(none)).toContain('no hosts to target');
  });

  it.each(['@/etc/hostname', '{{ lookup("pipe", "touch ran") }}'])(
    'is only text, also with %s',
    async (part) => {
      const playbook = `${TRACE}    - ansible.builtin.debug: {var: ansible_limit}\n`;
      const job = await run({ playbook, groups, phase: { limit: `${part},x2` } });
      expect(traceOf(job)).toEqual(['x2']);
      expect(existsSync(job.path('workspace/layer0/ran'))).toBe(false);
    },
  );

  it('that selects no host ends with Ansible’s exit code', async () => {
    expect(exitOf(await run({ playbook: TRACE, groups, phase: { limit: 'absent' } }))).toBe(1);
  });
});

(HAS_ANSIBLE ? describe : describe.skip)('hosts that are done', () => {
  const groups = { compute: { x1: {}, x2: {}, x3: {}, 'x1.lab': {} }, storage: { s1: {} } };
  const all = ['s1', 'x1', 'x1.lab', 'x2', 'x3'];

  it.each([
    ['', ['x1', 's1'], ['x1.lab', 'x2', 'x3'], 2],
    ['compute', ['x1', 's1'], ['x1.lab', 'x2', 'x3'], 1],
    ['compute:!x2', ['x1'], ['x1.lab', 'x3'], 1],
    ['x1,x2', ['x2', 'gone'], ['x1'], 1],
    ['all:&~x', ['x2', 'x.*'], ['x1', 'x1.lab', 'x3'], 1],
  ])('are left out of the limit "%s"', async (limit, done, hosts, count) => {
    const job = await run({ playbook: TRACE, groups, phase: { limit, done_hosts: done } });
    expect(exitOf(job)).toBe(0);
    expect(traceOf(job)).toEqual(hosts);
    expect(logOf(job)).toContain(`left out: ${count}, others: ${hosts.length}.`);
  });

  it.each([
    ['a group has the name of one', { ...groups, x1: { x2: {} } }, ['x1']],
    ['nobody else is left', groups, all],
  ])('run too if %s', async (_what, known, done) => {
    const job = await run({ playbook: TRACE, groups: known, phase: { done_hosts: done } });
    expect(exitOf(job)).toBe(0);
    expect(traceOf(job)).toEqual(all);
    expect(logOf(job)).toContain('so it runs on all.');
  });

  it('may be many', async () => {
    const done = Array.from({ length: 7_000 }, (_, index) => `x1000c0s${index}b0`);
    const many = Object.fromEntries([...done, 'x9'].map((name) => [name, {}]));
    const phase = { done_hosts: done };
    const job = await run({ playbook: TRACE, groups: { many }, phase });
    expect(traceOf(job)).toEqual(['x9']);
  });

  it('do not change the plays of localhost and of added hosts', async () => {
    const playbook = `- hosts: localhost
  gather_facts: false
  tasks: [{add_host: {name: jump, ansible_connection: local}}]
${TRACE.replace('hosts: all', 'hosts: x1:x2:jump')}`;
    const phase = { done_hosts: ['localhost', 'jump', 'x1'] };
    expect(traceOf(await run({ playbook, groups, phase }))).toEqual(['jump', 'x2']);
  });
});

(HAS_ANSIBLE ? describe : describe.skip)('passthrough', () => {
  it('is split as a shell would, and never run by one, also without any callback', async () => {
    const job = await run({
      playbook: '- hosts: x1\n  gather_facts: false\n  tasks:\n    - debug: msg="<{{ text }}>"\n',
      phase: { passthrough: `-e "text='two  words; $(touch ran)'" --skip-tags none` },
      files: {
        'workspace/ansible.cfg': '[defaults]\nstrategy = cfs_free\ncallback_whitelist =\n',
      },
    });
    expect(logOf(job)).toContain('<two  words; $(touch ran)>');
    expect(logOf(job)).not.toContain('unable to load');
    expect(existsSync(job.path('workspace/ran'))).toBe(false);
  });

  it('with an open quote ends the phase with 73', async () => {
    const job = await run({ playbook: TRACE, phase: { passthrough: '-e "a=b' } });
    expect(exitOf(job)).toBe(73);
    expect(logOf(job)).toContain('ERROR! ansible_passthrough: No closing quotation.\n');
  });
});

(HAS_ANSIBLE ? describe : describe.skip)('debug playbooks', () => {
  const debug = (playbook: string) => ({ layer: '_debug', directory: 'layer_debug', playbook });

  it('do nothing, or show facts', async () => {
    expect(exitOf(await run({ phase: debug('noop.yaml') }))).toBe(0);
    const facts = await run({ phase: debug('facts.yaml'), groups: { compute: { x1: {} } } });
    expect(exitOf(facts)).toBe(0);
    expect(logOf(facts)).toContain('ok: [x1] => {\n    "ansible_facts": {');
  });

  it.each([
    ['with a limit', 'compute', { compute: { x1: {} } }],
    ['without any host', '', {}],
  ])('fail on purpose %s', async (_, limit, groups) => {
    const job = await run({ phase: { ...debug('fail.yaml'), limit }, groups });
    expect(exitOf(job)).toBe(2);
    expect(logOf(job)).toContain('This playbook fails, as its name says.');
  });

  it('of another name end the phase with 73 and the available names', async () => {
    const job = await run({ phase: debug('other.yaml') });
    expect(exitOf(job)).toBe(73);
    expect(logOf(job)).toContain(
      'no configuration debug_other; built in are debug_facts, debug_fail, debug_noop.',
    );
  });
});
