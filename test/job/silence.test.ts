import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '../support/wait.js';
import {
  ANSIBLES,
  createPlaybookJob,
  HAS_ANSIBLE,
  readResults,
  type Inventory,
} from './ansible-plan.js';
import { exitOf, processesOf, TOKEN, type TestJob } from './harness.js';
import { startPhaseApi, type PhaseApi } from './phase-api.js';

const jobs: TestJob[] = [];
let api: PhaseApi;
beforeEach(async () => {
  api = await startPhaseApi(TOKEN);
});
afterEach(async () => {
  await api.close();
  jobs.splice(0).forEach((job) => job.remove());
});

interface Options {
  readonly groups?: Inventory;
  readonly files?: Record<string, string>;
  readonly plan?: Record<string, unknown>;
  readonly phase?: Record<string, unknown>;
}

async function start(playbook: string, options: Options = {}) {
  const { groups = { compute: { x1: {}, x2: {}, x3: {} } }, files = {}, plan, phase } = options;
  const job = createPlaybookJob({
    groups,
    phase: { host_silent_seconds: 1, ...phase },
    plan: { api_url: api.url, report_wait_seconds: 20, ...plan },
    files: { 'workspace/layer0/site.yml': playbook, ...files },
  });
  jobs.push(job);
  expect(await exitOf(job.startPhase('inventory'))).toBe(0);
  const wrapper = job.startPhase('ansible-0');
  return { job, wrapper, over: exitOf(wrapper) };
}

/** A task that signals its start by a file, and ends when another file appears. */
function awaitFile(name: string): string {
  const path = `{{ playbook_dir }}/../${name}`;
  return `echo > ${path}.begun; until [ -e ${path} ]; do sleep 0.02; done`;
}

async function waitForTask(job: TestJob, name: string): Promise<void> {
  await waitFor(() => existsSync(job.path('workspace', `${name}.begun`)));
}

function goOn(job: TestJob, name: string): void {
  writeFileSync(job.path('workspace', name), '');
}

function latest(): Record<string, unknown> | null | undefined {
  return api.silences.at(-1)?.silence;
}

async function waitForSilence(expected: Record<string, unknown> | null): Promise<void> {
  await waitFor(() => {
    const silence = latest();
    if (silence === undefined || silence === null) return silence === expected;
    const members = Object.entries(expected ?? { none: 1 });
    return members.every(
      ([name, value]) => JSON.stringify(silence[name]) === JSON.stringify(value),
    );
  });
}

(HAS_ANSIBLE ? describe : describe.skip)('silence', () => {
  it.each([...ANSIBLES])(
    'of hosts in a task is told, and that they go on (Ansible %s)',
    async (_series, ansible) => {
      const playbook = `- hosts: all
  gather_facts: false
  tasks:
    - name: "Hang with {{ inventory_hostname | length }}"
      shell: ${awaitFile('{{ inventory_hostname }}')}
      timeout: 900
      when: inventory_hostname != 'x3'
    - name: Go on
      command: "true"
`;
      const before = Date.now();
      const { job, over } = await start(playbook, {
        plan: { ansible_playbook: ansible },
      });
      await waitForSilence({ hosts: 2, names: ['x1', 'x2'] });
      const since = Date.parse(String(latest()?.['since']));
      expect(latest()).toEqual({
        task: 'Hang with 2',
        since: new Date(since).toISOString(),
        hosts: 2,
        names: ['x1', 'x2'],
        others: 0,
        limit: 900,
      });
      expect(since).toBeGreaterThanOrEqual(before);
      expect(Date.now() - since).toBeGreaterThanOrEqual(1000);
      goOn(job, 'x1');
      await waitForSilence({ hosts: 1, names: ['x2'] });
      goOn(job, 'x2');
      expect(await over).toBe(0);
      expect(api.silences.map(({ sequence }) => sequence)).toEqual(
        api.silences.map((_, index) => index + 1),
      );
      expect(existsSync(job.path('results/ansible-0.heard'))).toBe(false);
    },
  );

  it('is over when the playbook continues, and does not include hosts that have not started', async () => {
    const playbook = `- hosts: all
  gather_facts: false
  serial: 2
  tasks:
    - name: First
      shell: ${awaitFile('{{ inventory_hostname }}')}
    - name: Second
      shell: ${awaitFile('second-{{ inventory_hostname }}')}
      run_once: true
      delegate_to: localhost
`;
    const { job, over } = await start(playbook, {
      phase: { passthrough: '--forks 1' },
    });
    await waitForSilence({ task: 'First', hosts: 1, names: ['x1'] });
    goOn(job, 'x1');
    await waitForSilence({ task: 'First', hosts: 1, names: ['x2'] });
    goOn(job, 'x2');
    await waitForSilence({ task: 'Second', hosts: 1, names: ['x1'] });
    goOn(job, 'second-x1');
    await waitForSilence({ task: 'First', hosts: 1, names: ['x3'] });
    goOn(job, 'x3');
    await waitForSilence({ task: 'Second', hosts: 1, names: ['x3'] });
    goOn(job, 'second-x3');
    expect(await over).toBe(0);
    expect(job.log('ansible-0')).not.toContain('WARNING');
  });

  it('starts over with each item, try and poll', async () => {
    const playbook = `- hosts: x1
  gather_facts: false
  tasks:
    - name: Items
      shell: ${awaitFile('{{ item }}')}
      loop: [one, two]
    - name: Tries
      shell: echo >> tries; ${awaitFile('try-$(wc -l < tries)')}; [ $(wc -l < tries) = 2 ]
      args: {chdir: "{{ playbook_dir }}/.."}
      register: tried
      until: tried is success
      retries: 3
      delay: 0
    - name: Polls
      shell: ${awaitFile('poll')}
      async: 600
      timeout: 900
      poll: 3
      vars: {ansible_async_dir: "{{ playbook_dir }}/../async"}
`;
    const { job, over } = await start(playbook);
    await waitForSilence({ task: 'Items', names: ['x1'] });
    const first = latest()?.['since'];
    goOn(job, 'one');
    await waitFor(() => latest() !== null && latest()?.['since'] !== first);
    expect(latest()).toMatchObject({ task: 'Items', names: ['x1'] });
    goOn(job, 'two');
    await waitForSilence({ task: 'Tries', names: ['x1'] });
    const second = latest()?.['since'];
    goOn(job, 'try-1');
    await waitFor(() => latest() !== null && latest()?.['since'] !== second);
    expect(latest()).toMatchObject({ task: 'Tries', names: ['x1'] });
    goOn(job, 'try-2');
    await waitForSilence({ task: 'Polls', names: ['x1'] });
    expect(latest()).not.toHaveProperty('limit');
    const third = latest()?.['since'];
    await waitFor(() => latest() !== null && latest()?.['since'] !== third);
    goOn(job, 'poll');
    expect(await over).toBe(0);
  });

  it('is reported per task with the strategy free', async () => {
    const playbook = `- hosts: all
  gather_facts: false
  strategy: free
  tasks:
    - name: Ahead
      shell: ${awaitFile('ahead')}
      when: inventory_hostname == 'x1'
    - name: Behind
      shell: ${awaitFile('behind')}
      when: inventory_hostname != 'x1'
  handlers: []
`;
    const { job, over } = await start(playbook);
    await waitForSilence({ hosts: 1, task: 'Ahead', others: 2 });
    goOn(job, 'ahead');
    await waitForSilence({ hosts: 2, task: 'Behind', others: 0 });
    goOn(job, 'behind');
    expect(await over).toBe(0);
  });

  it('is neither reported nor recorded if that is off', async () => {
    const playbook = `- hosts: x1
  gather_facts: false
  tasks:
    - shell: ${awaitFile('one')}
`;
    const { job, over } = await start(playbook, { phase: { host_silent_seconds: 0 } });
    await waitForTask(job, 'one');
    expect(existsSync(job.path('results/ansible-0.heard'))).toBe(false);
    goOn(job, 'one');
    expect(await over).toBe(0);
    expect(api.silences).toEqual([]);
  });

  it.each([404, 500])('that the API answers with %d holds up no other delivery', async (status) => {
    api.interrupt = (_method, path) => (path.endsWith('/silence') ? { status } : undefined);
    const playbook = `- hosts: x1
  gather_facts: false
  tasks:
    - name: Hang
      shell: ${awaitFile('one')}
    - debug: {msg: after it}
`;
    const { job, over } = await start(playbook);
    const told = () => api.requests.filter((request) => request.endsWith('/silence')).length;
    await waitFor(() => told() > 1);
    expect(api.silences).toEqual([]);
    api.interrupt = () => undefined;
    await waitForSilence({ task: 'Hang', names: ['x1'] });
    goOn(job, 'one');
    expect(await over).toBe(0);
    expect(api.log.toString()).toBe(job.log('ansible-0'));
    expect(api.states.at(-1)).toMatchObject({ state: 'ended', exit_code: 0 });
  });

  it('is taken back if its report may have been lost', async () => {
    const playbook = `- hosts: x1
  gather_facts: false
  tasks:
    - name: Hang
      shell: ${awaitFile('one')}; false
`;
    const isSilence = (path: string) => path.endsWith('/silence');
    api.interrupt = (_method, path) => (isSilence(path) ? { status: 503 } : undefined);
    const { job, over } = await start(playbook, { phase: { debug_wait_seconds: 600 } });
    await waitFor(() => api.requests.some(isSilence));
    goOn(job, 'one');
    await waitFor(() => api.holds.length === 1);
    api.interrupt = () => undefined;
    await waitForSilence(null);
    api.release();
    expect(await over).toBe(2);
    expect(api.silences).toHaveLength(1);
  });

  it('shows no secret', async () => {
    const playbook = `- hosts: x1
  gather_facts: false
  tasks:
    - name: Log in with very-secret-word
      shell: ${awaitFile('one')}
    - name: ${'x'.repeat(250)}very-secret-word
      shell: ${awaitFile('two')}
`;
    const { job, over } = await start(playbook, {
      files: { 'secrets/vault-token': 'very-secret-word' },
    });
    await waitForSilence({ task: 'Log in with ***' });
    goOn(job, 'one');
    // Longer than the record's field, which ends within the secret.
    await waitForSilence({ task: 'x'.repeat(250) });
    goOn(job, 'two');
    expect(await over).toBe(0);
  });

  it('ends with the playbook, though the phase is held', async () => {
    const playbook = `- hosts: x1
  gather_facts: false
  tasks:
    - name: Hang
      shell: ${awaitFile('one')}
`;
    const { job, wrapper, over } = await start(playbook, {
      phase: { debug_wait_seconds: 600 },
    });
    await waitForSilence({ task: 'Hang' });
    const [ansible] = readFileSync(
      `/proc/${wrapper.pid}/task/${wrapper.pid}/children`,
      'utf8',
    ).split(' ');
    process.kill(Number(ansible), 'SIGKILL');
    await waitFor(() => api.holds.length === 1);
    await waitForSilence(null);
    api.release();
    expect(await over).toBe(137);
    expect(existsSync(job.path('results/ansible-0.heard'))).toBe(false);
  });
});

(HAS_ANSIBLE ? describe : describe.skip)('host_silent_limit', () => {
  it.each([...ANSIBLES])(
    'makes a silent host fail in its task, and the others go on (Ansible %s)',
    async (_series, ansible) => {
      // The last task has no limit, so that a busy machine cannot make it fail.
      const playbook = `- hosts: all
  gather_facts: false
  tasks:
    - name: Own limit
      command: sleep 600
      timeout: 2
      when: inventory_hostname == 'x1'
    - name: Hang
      command: sleep 600
      loop: [1]
      when: inventory_hostname == 'x2'
    - name: Go on
      command: sleep 1.5
      timeout: 0
`;
      const { job, over } = await start(playbook, {
        plan: { ansible_playbook: ansible },
        phase: { host_silent_limit_seconds: 1 },
      });
      expect(await over).toBe(2);
      const ended = (what: RegExp) => ({ failed: 1, message: expect.stringMatching(what) });
      expect(readResults(job)).toMatchObject([
        { host: 'x1', task: 'Own limit', ...ended(/\b2\b(?!.*host_silent_limit)/) },
        {
          host: 'x2',
          task: 'Hang',
          ...ended(
            /^Nothing was heard from the host for 1 s, so host_silent_limit ended the task$/,
          ),
        },
        { host: 'x3', ok: 1, failed: 0, incomplete: false },
      ]);
      expect(await processesOf(job.id)).toEqual([]);
    },
  );

  it.each([...ANSIBLES])(
    'applies to polls and to the removal of temporary files (Ansible %s)',
    async (_series, ansible) => {
      const jobs = '{{ playbook_dir }}/../async';
      const playbook = `- hosts: all
  gather_facts: false
  strategy: cfs_free
  tasks:
    - name: Poll
      shell: for job in ${jobs}/j*; do rm $job; mkfifo $job; done; sleep 600
      async: 600
      poll: 1
      vars: {ansible_async_dir: "${jobs}"}
      when: inventory_hostname == 'x1'
    - name: Remove
      copy: {content: text, dest: "{{ playbook_dir }}/../copy"}
      when: inventory_hostname == 'x2'
`;
      const at = mkdtempSync(join(tmpdir(), 'keelson-hang-'));
      writeFileSync(join(at, 'python'), '#!/bin/sh\nexec sleep 600\n', { mode: 0o700 });
      const shell =
        '#!/bin/sh\ncase "$2" in "rm "*) exec sleep 600;; *) exec /bin/sh "$@";; esac\n';
      writeFileSync(join(at, 'shell'), shell, { mode: 0o700 });
      const hangs = {
        ansible_python_interpreter: join(at, 'python'),
        ansible_shell_executable: join(at, 'shell'),
      };
      const { job, over } = await start(playbook, {
        groups: { compute: { x1: {}, x2: hangs, x3: {} } },
        plan: { ansible_playbook: ansible },
        phase: { host_silent_limit_seconds: 2 },
      });
      expect(await over).toBe(2);
      rmSync(at, { recursive: true });
      const message =
        'Nothing was heard from the host for 2 s, so host_silent_limit ended the task';
      expect(readResults(job)).toMatchObject([
        { host: 'x1', failed: 1, task: 'Poll', message },
        { host: 'x2', failed: 1, task: 'Remove', message },
        { host: 'x3', failed: 0, incomplete: false },
      ]);
      expect(await processesOf(job.id)).toEqual([]);
    },
  );
});
