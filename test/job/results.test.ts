import { once } from 'node:events';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import { findFreePort } from '../support/ssh-host.js';
import { waitFor } from '../support/wait.js';
import {
  ANSIBLE_MINOR,
  createPlaybookJob,
  HAS_ANSIBLE,
  readResults,
  type Inventory,
} from './ansible-plan.js';
import { ANSIBLE, type TestJob } from './harness.js';

const jobs: TestJob[] = [];
afterEach(() => jobs.splice(0).forEach((job) => job.remove()));

async function run(
  playbook: string,
  groups: Inventory = { compute: { x1: {}, x2: {} } },
  more: Record<string, string> = {},
): Promise<TestJob> {
  const files = { 'workspace/layer0/site.yml': playbook, ...more };
  const job = createPlaybookJob({ groups, files });
  jobs.push(job);
  await job.run();
  return job;
}

/** From the last line of the job's log, as without an API. */
function readReport(job: TestJob): Readonly<Record<string, unknown>> {
  const [, packed = ''] = (job.log('ansible-0').split('\n').at(-2) ?? '').split(':');
  return JSON.parse(gunzipSync(Buffer.from(packed, 'base64')).toString()) as Record<
    string,
    unknown
  >;
}

function recordsState(job: TestJob): unknown {
  return readReport(job)['records_state'];
}

/** Hosts that a retry would leave out. */
function listThrough(job: TestJob): unknown[] {
  return readReport(job)['whole'] !== true
    ? []
    : readResults(job)
        .filter((host) => host['failed'] === 0 && host['incomplete'] === false)
        .map(({ host }) => host);
}

/** Leaves a task named Starve no file descriptor to start a process with. */
const STARVE = `import resource
from ansible.plugins.callback import CallbackBase
LIMITS = resource.getrlimit(resource.RLIMIT_NOFILE)
class CallbackModule(CallbackBase):
    CALLBACK_NAME = "starve"
    def v2_playbook_on_task_start(self, task, is_conditional):
        soft = 1 if task.get_name() == "Starve" else LIMITS[0]
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, LIMITS[1]))
    def v2_playbook_on_stats(self, stats):
        resource.setrlimit(resource.RLIMIT_NOFILE, LIMITS)
`;

/** Ansible itself has loaded its class before. */
const COUNTS_OTHERWISE = `from ansible.executor import stats
from ansible.plugins.vars import BaseVarsPlugin
class AggregateStats(stats.AggregateStats):
    increment = None
stats.AggregateStats = AggregateStats
class VarsModule(BaseVarsPlugin):
    def get_vars(self, loader, path, entities):
        return {}
`;

/** Has Ansible's strategy meet an error of the system once a task has made the file `broken`. */
const BREAKS = `import os
from ansible.plugins.vars import BaseVarsPlugin
class VarsModule(BaseVarsPlugin):
    def get_vars(self, loader, path, entities):
        if os.path.exists(os.path.join(path, "broken")):
            raise OSError("no luck")
        return {}
`;

const NOTHING = { ok: 0, changed: 0, failed: 0, skipped: 0, unreachable: 0, incomplete: false };

(HAS_ANSIBLE ? describe : describe.skip)('results', () => {
  it('count what Ansible counts, and name the last failure', async () => {
    const job = await run(`- hosts: all
  gather_facts: false
  tasks:
    - command: "true"
    - name: Ignored
      command: "false"
      ignore_errors: true
    - name: Rescued
      block: [{command: "false"}]
      rescue: [{debug: {msg: saved}}]
    - command: "true"
      when: false
    - name: Fails on one
      fail: {msg: "no luck with {{ inventory_hostname }}"}
      when: inventory_hostname == 'x1'
`);
    expect(job.phase('ansible-0')).toMatchObject({ exit_code: 2 });
    const [x1, x2] = readResults(job);
    expect(x1).toEqual({
      ...NOTHING,
      host: 'x1',
      ok: 3,
      changed: 2,
      failed: 1,
      skipped: 1,
      task: 'Fails on one',
      message: 'no luck with x1',
    });
    expect(x2).toEqual({ ...NOTHING, host: 'x2', ok: 3, changed: 2, skipped: 2 });
    expect(recordsState(job)).toBe(true);
  });

  it('are those of Ansible’s last moment if it breaks off, and blame no rescued or ignored failure', async () => {
    const playbook = `- hosts: all
  gather_facts: false
  ignore_unreachable: true
  tasks:
    - block: [{fail: , when: inventory_hostname == 'x1'}]
      rescue: [{debug: }]
    - ping:
- hosts: all
  gather_facts: false
  tasks: [{debug: }, {include_tasks: wrong.yml}]
`;
    const away = { ansible_connection: 'ssh', ansible_host: '127.0.0.1', ansible_port: 1 };
    const wrong = { 'workspace/layer0/wrong.yml': '- no_such_module:\n' };
    const job = await run(playbook, { compute: { x1: {}, x2: away } }, wrong);
    expect(job.phase('ansible-0')).toMatchObject({ exit_code: 4 });
    expect(readResults(job)).toEqual([
      { ...NOTHING, host: 'x1', ok: 3 },
      { ...NOTHING, host: 'x2', ok: 2, skipped: 1 },
    ]);
    expect(listThrough(job)).toEqual([]);
  });

  it('say what a module or an assertion failed of', async () => {
    const breaks = `from ansible.module_utils.basic import AnsibleModule
raise RuntimeError("no luck")
`;
    const lists = `from ansible.module_utils.basic import AnsibleModule
AnsibleModule({}).fail_json(msg="no luck", failed_modules=["a"])
`;
    const playbook = `- hosts: all
  gather_facts: false
  tasks:
    - {breaks: , when: inventory_hostname == 'x1'}
    - {gather_facts: , when: inventory_hostname == 'x2'}
    - {assert: {that: 1 == 2}, when: inventory_hostname == 'x3'}
    - {shell: "printf '\\\\033[31mred\\\\033[0m' >&2; false", when: inventory_hostname == 'x4'}
    - {lists: , when: inventory_hostname == 'x5'}
`;
    const absent = { ansible_python_interpreter: '/absent' };
    const job = await run(
      playbook,
      { compute: { x1: {}, x2: absent, x3: {}, x4: {}, x5: {} } },
      {
        'workspace/layer0/library/breaks.py': breaks,
        'workspace/layer0/library/lists.py': lists,
      },
    );
    expect(readResults(job)).toMatchObject([
      { host: 'x1', message: expect.stringMatching(/fail.*: (RuntimeError: )?no luck$/i) },
      {
        host: 'x2',
        message: expect.stringMatching(/interpreter.* \(exit code 127\): .*absent: not found$/),
      },
      { host: 'x3', message: 'Assertion failed: 1 == 2' },
      { host: 'x4', message: 'non-zero return code 1: red' },
      { host: 'x5', message: 'no luck' },
    ]);
  });

  it('name the last failure although Ansible does not count as it does today', async () => {
    const job = await run(
      `- {hosts: all, gather_facts: false, tasks: [{fail: {msg: broken}}]}\n`,
      undefined,
      {
        'workspace/layer0/vars_plugins/counts.py': COUNTS_OTHERWISE,
      },
    );
    const failed = { ...NOTHING, failed: 1, task: 'fail', message: 'broken' };
    expect(readResults(job)).toEqual([
      { ...failed, host: 'x1' },
      { ...failed, host: 'x2' },
    ]);
  });

  it('contain no NUL and no surrogate, whatever a task prints', async () => {
    const job = await run(`- hosts: x1
  gather_facts: false
  tasks: [{shell: "printf 'first\\\\na\\\\000b\\\\377c' >&2; false"}]
`);
    expect(job.phase('ansible-0')).toMatchObject({ exit_code: 2 });
    const [x1] = readResults(job);
    expect(x1).toMatchObject({
      host: 'x1',
      failed: 1,
      // From 2.18 on Ansible itself refuses such a result.
      message: expect.stringMatching(ANSIBLE_MINOR < 18 ? /: first a.*b.*c$/ : /UTF-?8/),
    });
    expect(x1?.['message']).not.toMatch(/[\0\uD800-\uDFFF]/);
  });

  it('name a host that cannot be reached', async () => {
    const port = await findFreePort();
    const unreachable = {
      ansible_connection: 'ssh',
      ansible_host: '127.0.0.1',
      ansible_port: port,
    };
    const playbook = '- hosts: all\n  gather_facts: false\n  tasks: [{ping: }]\n';
    const job = await run(playbook, { compute: { x1: {}, x2: unreachable } });
    expect(job.phase('ansible-0')).toMatchObject({ exit_code: 4 });
    const [x1, x2] = readResults(job);
    expect(x1).toEqual({ ...NOTHING, host: 'x1', ok: 1 });
    expect(x2).toMatchObject({ host: 'x2', unreachable: 1, failed: 0, task: 'ping' });
    // If ssh is still ending when Ansible writes to it, Ansible reports that instead of the refusal.
    expect(x2?.['message']).toMatch(
      /host 127\.0\.0\.1 port \d+: Connection refused|sent to remote host "127\.0\.0\.1"/,
    );
  });

  it.each(['cfs_linear', 'linear'])(
    'mark hosts that a failure elsewhere has stopped (%s)',
    async (strategy) => {
      const job = await run(`- hosts: all
  strategy: ${strategy}
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - fail:
      when: inventory_hostname == 'x1'
    - debug: msg=later
`);
      expect(readResults(job)).toMatchObject([
        { host: 'x1', failed: 1, incomplete: false },
        { host: 'x2', failed: 0, incomplete: true },
      ]);
    },
  );

  const fails = "fail: {msg: no}, when: inventory_hostname == 'x1'";
  const play = (more: string, hosts = 'all', task = fails) =>
    `- {hosts: ${hosts}, gather_facts: false${more}, tasks: [{${task}}, {debug: }]}\n`;
  const begun = play('', 'all', 'debug: ');
  const fatal = ', any_errors_fatal: true';
  const adds = `add_host: {name: "{{ 'x9' if inventory_hostname != 'x1' else nothing }}"}`;
  const absent = 'include_role: {name: absent}';
  const includes = `${absent}, when: inventory_hostname == 'x2'}, {${fails}`;
  it.each([
    ['goes on without the host that fails', play(''), ['x2', 'x3']],
    ['goes on with other plays', play('') + play('', 'x2'), ['x2', 'x3']],
    ['has only failed', play('', 'x1'), []],
    ['runs a play for nobody at the end', play('') + play('', 'absent'), ['x2', 'x3']],
    ['goes on with the next batch', begun + play(', serial: [2, 1]'), ['x2', 'x3']],
    ['may not go on with the next batch', begun + play(', serial: 2', 'x3:x1'), []],
    ['takes every failure as fatal', play(fatal), []],
    ['stops at a share of failures', play(', max_fail_percentage: 10'), []],
    ['fails in a task for one host', begun + play('', 'all', `${fails}, run_once: true`), []],
    ['fails in an action for one host', begun + play('', 'all', adds), []],
    ['includes a role that is not there', begun + play('', 'all', includes), ['x3']],
    ['does not begin the last play', begun + play('', 'x1') + play(''), []],
    ['does not begin the last batch', begun + play(', serial: 1'), []],
    [
      'does not begin the last batch, with no failed task',
      begun + play(', serial: 1', 'all', absent),
      [],
    ],
    ['meets a mistake on its way', play('') + play('', '"{{ nothing }}"'), []],
    ['has a play of another strategy', begun + play(', strategy: linear', 'all', includes), ['x3']],
  ])('say which hosts came to the end, if a playbook %s', async (_, text, wanted) => {
    const job = await run(text, { compute: { x1: {}, x2: {}, x3: {} } });
    expect(job.phase('ansible-0')?.exit_code).not.toBe(0);
    expect(listThrough(job)).toEqual(wanted);
  });

  it.each([
    ['cfs_linear', '', 0, false],
    ['cfs_linear', play(''), 0, true],
    ['cfs_free', '', 0, false],
  ])(
    'say with %s whether a host that rescued a missing role goes on, before %j',
    async (...row) => {
      const [strategy, next, exitCode, incomplete] = row;
      const block = `block: [{${absent}}], rescue: [{debug: }]`;
      const job = await run(play(`, strategy: ${strategy}`, 'x1', block) + next);
      expect(job.phase('ansible-0')).toMatchObject({ exit_code: exitCode });
      const x1 = { ...NOTHING, host: 'x1', ok: 2 };
      const message = expect.stringContaining("the role 'absent' was not found");
      expect(readResults(job)).toContainEqual(
        ANSIBLE_MINOR < 17
          ? { ...x1, incomplete }
          : { ...x1, failed: 1, task: 'include_role : absent', message },
      );
    },
  );

  it.each([
    ['before the last play', play('', 'x1') + play(''), ['x2', 'x3']],
    ['before the last batch', play(', serial: 1', 'x2:x1:x3'), ['x3']],
    ['after the last batch', play(', serial: 1', 'x2:x3:x1'), []],
    [
      'where the playbook wants it',
      play(', serial: 1', 'all', `block: [{${fails}}], rescue: [{debug: }]}, {meta: end_play`),
      [],
    ],
  ])('mark as incomplete whom Ansible leaves out if it breaks off %s', async (_, rest, left) => {
    const job = await run(begun + rest, { compute: { x1: {}, x2: {}, x3: {} } });
    expect(recordsState(job)).toBe(true);
    const incomplete = readResults(job).filter((host) => host['incomplete'] === true);
    expect(incomplete.map(({ host }) => host)).toEqual(left);
  });

  it('mark every host as incomplete if an error of the system has ended the last play', async () => {
    const touch =
      'file: {path: "{{ playbook_dir }}/broken", state: touch}, when: inventory_hostname == \'x2\'';
    const job = await run(play('', 'all', touch), undefined, {
      'workspace/layer0/vars_plugins/breaks.py': BREAKS,
    });
    expect(job.phase('ansible-0')?.exit_code).not.toBe(0);
    const complete = readResults(job).filter((host) => host['incomplete'] === false);
    // A later Ansible does not come to its end then, and nothing is recorded.
    expect(recordsState(job) === true ? complete : []).toEqual([]);
  });

  it('are not those of a playbook that a task has started', async () => {
    const inner = `"${ANSIBLE} -i {{ inventory_file }} {{ playbook_dir }}/inner.yml"`;
    const command = `command: ${inner}, register: inner, failed_when: inner.rc != 2`;
    const outer = `- {hosts: x1, gather_facts: false, tasks: [{${command}}]}\n`;
    const mistake = play('', '"{{ nothing }}"');
    const job = await run(outer + mistake, undefined, {
      'workspace/layer0/inner.yml': play(''),
    });
    expect(job.log('ansible-0')).toMatch(/changed: \[x1\][^]*'nothing' is undefined/);
    const { hosts, ...facts } = readReport(job);
    expect(facts).toMatchObject({ records_state: false, whole: false });
    // The outer task has succeeded. Its result is there if it took long.
    const outerResult = { host: 'x1', ok: 1, failed: 0 };
    expect([[], [expect.objectContaining(outerResult)]]).toContainEqual(hosts);
  });

  it.each(['cfs_linear', 'linear', 'free'])(
    'list no host as done if %s cannot start a task',
    async (strategy) => {
      const tasks = 'tasks: [{debug: }, {name: Starve, debug: }, {debug: }]';
      const job = await run(
        `- {hosts: all, gather_facts: false, strategy: ${strategy}, ${tasks}}\n`,
        undefined,
        { 'workspace/layer0/callback_plugins/starve.py': STARVE },
      );
      expect(job.phase('ansible-0')?.exit_code).not.toBe(0);
      expect(job.log('ansible-0')).toContain('Task Starve could not be started on x');
      expect(listThrough(job)).toEqual([]);
    },
  );

  it('say nothing of what no_log hides', async () => {
    const job = await run(`- hosts: x1
  gather_facts: false
  tasks:
    - name: Hidden
      shell: echo very-secret >&2; exit 1
      no_log: true
`);
    const [x1] = readResults(job);
    expect(x1).toMatchObject({ failed: 1, task: 'Hidden' });
    expect(JSON.stringify(x1)).not.toContain('very-secret');
    expect(job.log('ansible-0')).not.toContain('very-secret');
  });

  it('name the item that failed in a loop', async () => {
    const job = await run(`- hosts: x1
  gather_facts: false
  tasks:
    - fail: {msg: "item {{ item }}"}
      when: item == 2
      loop: [1, 2, 3]
`);
    expect(readResults(job)).toMatchObject([{ message: 'item 2' }]);
  });

  it('exist also if the playbook was killed in the middle of a play', async () => {
    const job = createPlaybookJob({
      groups: { compute: { x1: {} } },
      files: {
        'workspace/layer0/site.yml': `- hosts: all
  gather_facts: false
  tasks: [{command: sleep 2.5}, {command: sleep 600}]
`,
      },
    });
    jobs.push(job);
    const supervisor = job.start();
    const isCounted = () => readResults(job).some(({ ok }) => ok === 1);
    await waitFor(isCounted, { what: 'the first task to be counted' });
    supervisor.kill('SIGTERM');
    await once(supervisor, 'exit');
    expect(job.phase('ansible-0')).toMatchObject({ killed: 'stopped' });
    expect(readResults(job)).toMatchObject([{ host: 'x1', ok: 1 }]);
    expect(recordsState(job)).toBe(false);
    expect(readReport(job)['whole']).toBe(false);
  });

  it.each(['cfs_linear', 'cfs_free'])(
    'of hosts that have done a task are there while it runs on another (%s)',
    async (strategy) => {
      const job = createPlaybookJob({
        groups: { compute: { x1: {}, x2: {}, x3: {} } },
        files: {
          'workspace/layer0/site.yml': `- hosts: all
  strategy: ${strategy}
  gather_facts: false
  tasks:
    - command: "{{ {'x1': 'sleep 600', 'x2': 'false', 'x3': 'true'}[inventory_hostname] }}"
`,
        },
      });
      jobs.push(job);
      const supervisor = job.start();
      await waitFor(() => readResults(job).length === 2, { what: 'the results of two hosts' });
      supervisor.kill('SIGTERM');
      await once(supervisor, 'exit');
      expect(readResults(job)).toMatchObject([
        { host: 'x2', failed: 1, task: 'command' },
        { host: 'x3', ok: 1, failed: 0 },
      ]);
      expect(readReport(job)['whole']).toBe(false);
    },
  );

  it('end no playbook if they cannot be written for a while', async () => {
    const job = await run(`- hosts: all
  strategy: cfs_linear
  gather_facts: false
  tasks:
    - shell: "{{ {'x1': 'mv results away; sleep 3; mv away results', 'x2': 'true'}[inventory_hostname] }}"
      args:
        chdir: "{{ playbook_dir }}/../.."
`);
    expect(job.phase('ansible-0')).toMatchObject({ exit_code: 0 });
    expect(readResults(job)).toMatchObject([
      { host: 'x1', ok: 1 },
      { host: 'x2', ok: 1 },
    ]);
  });

  it('are no state of components if ansible.cfg does not list cfs_aggregator', async () => {
    const job = createPlaybookJob({
      files: {
        'workspace/ansible.cfg': '[defaults]\ncallbacks_enabled = timer\n',
        'workspace/layer0/site.yml': '- hosts: all\n  gather_facts: false\n  tasks: [debug: ]\n',
      },
    });
    jobs.push(job);
    await job.run();
    expect(readResults(job)).toHaveLength(2);
    expect(recordsState(job)).toBe(false);
  });

  it('are empty if no host matched', async () => {
    const job = await run('- hosts: absent\n  tasks: []\n');
    expect(job.phase('ansible-0')).toMatchObject({ exit_code: 0 });
    expect(readResults(job)).toEqual([]);
  });
});
