import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { startSshHost } from '../support/ssh-host.js';
import { openSite, renderPlay, renderPlaybook, writes, type Site } from './site.js';

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(() => site.close());

const fine = renderPlaybook(writes('made', 'fine'));
const ABSENT = 'f'.repeat(40);

describe('a layer that fails', () => {
  test('names host, task and message of a failing task; no later layer runs', async () => {
    const failing = renderPlaybook(
      `name: Check the disk\ncommand: sh -c "echo the disk is full >&2; exit 3"\nwhen: inventory_hostname == 'node2'`,
    );
    const ended = await site.run('task', [
      site.layer({ 'site.yml': failing }),
      site.layer({ 'site.yml': renderPlaybook(writes('later', 'x')) }),
    ]);
    expect(ended).toMatchObject({
      succeeded: 'false',
      reason: 'TASK_FAILED',
      phase: 'ansible-0',
      host: 'node2',
      task: 'Check the disk',
    });
    expect(ended.message).toMatch(
      /task "Check the disk" failed on node2.*non-zero return code 3: the disk is full/,
    );
    expect(site.made('later')).toEqual({});
    const { body } = await site.ask('GET', '/v3/sessions/task/phases');
    expect((body as { phases: object[] }).phases.at(-1)).toMatchObject({
      name: 'ansible-1',
      state: 'ended',
      result: 'unstarted',
      reason: 'skipped',
    });
    await expectFailureType(ended.job, 'TASK_FAILED');
  });

  test('an unreachable host is named', async () => {
    const [, second] = site.hosts;
    if (second === undefined) throw new Error('There is no second host.');
    await second.stop();
    try {
      const ended = await site.run('unreachable', [site.layer({ 'site.yml': fine })]);
      expect(ended).toMatchObject({
        succeeded: 'false',
        reason: 'HOST_UNREACHABLE',
        phase: 'ansible-0',
        host: 'node2',
        task: null,
      });
      expect(ended.message).toMatch(/node2 could not be reached/);
    } finally {
      const { name, port, userKeyFile, directory } = second;
      await startSshHost({ name, port, userKeyFile, directory: join(directory, '..') });
    }
  });

  test.each([
    ['syntax', '- hosts: lab\n  tasks:\n   - debug:\n  - bad', /: site\.yml, line 4: \w/],
    ['keyword', '- hosts: lab\n  taks: []\n', /'taks' is not a valid attribute for a Play/],
    ['role', '- hosts: lab\n  roles: [no_such_role]\n', /the role 'no_such_role' was not found/],
  ])('a playbook that Ansible cannot take (%s) fails in its words', async (what, text, words) => {
    const ended = await site.run(`playbook-${what}`, [site.layer({ 'site.yml': text })]);
    expect(ended).toMatchObject({
      succeeded: 'false',
      reason: 'PLAYBOOK_ERROR',
      phase: 'ansible-0',
      host: null,
    });
    expect(ended.message).toMatch(words);
  });

  test('a missing playbook is named', async () => {
    const ended = await site.run('no-playbook', [site.layer({ 'site.yml': fine }, 'other.yml')]);
    expect(ended).toMatchObject({ reason: 'PLAYBOOK_ERROR', phase: 'ansible-0' });
    expect(ended.message).toMatch(/There is no playbook other\.yml/);
  });

  test('Ansible refuses a limit that matches no host', async () => {
    const ended = await site.run('no-limit', [site.layer({ 'site.yml': fine })], {
      ansible_limit: 'nowhere',
    });
    expect(ended).toMatchObject({ succeeded: 'false', reason: 'PLAYBOOK_ERROR' });
    expect(ended.message).toMatch(/limit/);
  });

  test('a playbook that exceeds its time limit is ended, and the message names the option', async () => {
    await site.ask('PATCH', '/v3/options', { phase_time_limit: 1 });
    try {
      const ended = await site.run('limit', [
        site.layer({ 'site.yml': renderPlaybook('command: sleep 300') }),
      ]);
      expect(ended).toMatchObject({ succeeded: 'false', reason: 'TIMEOUT', phase: 'ansible-0' });
      expect(ended.message).toContain('after its limit of 1 s (phase_time_limit)');
    } finally {
      await site.ask('PATCH', '/v3/options', { phase_time_limit: 0 });
    }
  });

  test('plays that match no host succeed, and say so', async () => {
    const ended = await site.run('no-hosts', [
      site.layer({ 'site.yml': renderPlay('nobody', writes('made', 'x')) }),
    ]);
    expect(ended).toMatchObject({ succeeded: 'true', reason: 'NO_HOSTS' });
    expect(ended.message).toMatch(/No host ran a task/);
  });
});

describe('a repository that is not available', () => {
  test('a stored commit that does not exist fails its clone', async () => {
    const ended = await site.run('commit', [
      { ...site.layer({ 'site.yml': fine }), commit: ABSENT },
    ]);
    expect(ended).toMatchObject({ succeeded: 'false', reason: 'GIT_REF', phase: 'git-clone-0' });
    expect(ended.message).toContain(ABSENT);
  });

  test.each([
    ['GIT_REF', () => emptyRepository(), /has no default branch/],
    ['GIT_CLONE', () => 'file:///nonexistent/hosts.git', /nonexistent\/hosts\.git/],
  ])(
    'an inventory named by the options fails with %s before anything runs',
    async (reason, url, words) => {
      const name = `options-${reason.toLowerCase().replace('_', '-')}`;
      await site.ask('PUT', `/v3/configurations/${name}`, {
        layers: [site.layer({ 'site.yml': fine })],
      });
      await site.ask('PATCH', '/v3/options', { additional_inventory_url: url() });
      try {
        await site.submit(name, { configuration_name: name });
        const ended = await site.whenOver(name);
        expect(ended).toMatchObject({ succeeded: 'false', reason, phase: null });
        expect(ended.message).toMatch(words);
        await expectFailureType(ended.job, reason);
      } finally {
        await site.ask('PATCH', '/v3/options', { additional_inventory_url: '' });
      }
    },
  );

  test('a repository that does not exist fails its clone at once', async () => {
    const url = 'file:///nonexistent/repository.git';
    const ended = await site.run('repository', [{ clone_url: url, commit: ABSENT, playbook: 'a' }]);
    expect(ended).toMatchObject({ succeeded: 'false', reason: 'GIT_CLONE', phase: 'git-clone-0' });
    expect(ended.message).toContain(url);
    expect(await site.log('repository', 'git-clone-0')).not.toContain('trying again');
  });
});

describe('an inventory that cannot be built', () => {
  const file = () => join(site.directory, 'inventory.yaml');
  const right = '{groups: [{label: lab, members: {ids: [node1, node2]}}]}';
  afterEach(() => writeFileSync(file(), right));

  test.each([
    ['shape', 'groups: 7', /groups/],
    ['text', 'groups: [', /is not YAML/],
  ])('a source of the wrong %s fails the session', async (what, text, words) => {
    writeFileSync(file(), text);
    const ended = await site.run(`source-${what}`, [site.layer({ 'site.yml': fine })]);
    expect(ended).toMatchObject({ succeeded: 'false', reason: 'INVENTORY' });
    expect(ended.message).toMatch(words);
    expect(await site.log(`source-${what}`, 'inventory')).toMatch(/ERROR/);
  });

  test('an additional inventory that Ansible cannot read fails the session', async () => {
    const { url, commit } = site.repository({ 'hosts.yaml': 'all: {hosts: [this is no mapping]}' });
    const layers = [site.layer({ 'site.yml': fine })];
    await site.ask('PUT', '/v3/configurations/broken', {
      layers,
      additional_inventory: { clone_url: url, commit },
    });
    await site.submit('broken', { configuration_name: 'broken' });
    const ended = await site.whenOver('broken');
    expect(ended).toMatchObject({ succeeded: 'false', reason: 'INVENTORY', phase: 'inventory' });
  });
});

test('a failed session is one line in the log of the worker', async () => {
  const ended = await site.run('told', [site.layer({})]);
  // Temporal's SDK may log late, but does so before the worker ends.
  await site.worker.kill('SIGTERM');
  const message = JSON.stringify(ended.message);
  const lines = site.worker.output().split('\n');
  const told = lines.filter((line) => line.includes(message));
  expect(told.map((line) => (JSON.parse(line) as { readonly msg: string }).msg)).toEqual([
    'session ended',
  ]);
});

function emptyRepository(): string {
  const directory = join(site.directory, 'empty.git');
  execFileSync('git', ['init', '--quiet', '--bare', directory]);
  return pathToFileURL(directory).href;
}

async function expectFailureType(job: string, type: string): Promise<void> {
  const handle = (await site.temporalClient()).workflow.getHandle(job);
  await expect(handle.result()).rejects.toMatchObject({ cause: { type } });
}
