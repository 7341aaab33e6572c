import { afterEach, describe, expect, it } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSshHost } from '../support/ssh-host.js';
import { createPlaybookJob, HAS_ANSIBLE, readResults } from './ansible-plan.js';
import { processesOf } from './harness.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const PLAYBOOK = `- hosts: all
  gather_facts: false
  tasks:
    - name: Leave a trace
      ansible.builtin.shell: echo {{ inventory_hostname }} > "$KEELSON_WORLD/trace"
    - name: Tell where the sockets are
      ansible.builtin.debug:
        msg: "sockets={{ lookup('pipe', 'find ' + folder + ' -type s | wc -l') }} in {{ folder }}."
      vars:
        folder: "{{ lookup('config', 'control_path_dir', plugin_type='connection', plugin_name='ssh') }}"
`;

/** Tells two folders, and leaves a file in the first. */
const FOLDERS = `- hosts: x1
  gather_facts: false
  tasks:
    - name: Leave a temporary file
      ansible.builtin.shell: touch "$TMPDIR/kept"
    - name: Tell where sockets may be
      ansible.builtin.debug:
        msg: "folders={{ lookup('env', 'TMPDIR') }},{{ lookup('config', 'PERSISTENT_CONTROL_PATH_DIR') }}."
`;

async function aHost(name: string) {
  const host = await startSshHost({ name });
  closing.push(() => host.remove());
  return host;
}

(HAS_ANSIBLE ? describe : describe.skip)('a playbook over SSH', () => {
  it('shares connections while it runs and leaves neither masters nor sockets behind', async () => {
    const hosts = [await aHost('x1'), await aHost('x2')];
    const groups = Object.fromEntries(
      hosts.map(({ name, variables }) => [name, { ansible_connection: 'ssh', ...variables }]),
    );
    const config = readFileSync(join(import.meta.dirname, '../../job/ansible.cfg'), 'utf8');
    const job = createPlaybookJob({
      groups: { compute: groups },
      files: {
        'workspace/layer0/site.yml': PLAYBOOK,
        'workspace/ansible.cfg': config.replace('display_ok_hosts = no', 'display_ok_hosts = yes'),
      },
    });
    closing.push(() => job.remove());
    await job.run();
    const log = job.log('ansible-0');
    expect(`${log}${job.phase('ansible-0')?.exit_code}`).toMatch(/^0$/m);
    for (const host of hosts)
      expect(readFileSync(join(host.directory, 'trace'), 'utf8')).toBe(`${host.name}\n`);
    expect(readResults(job)).toMatchObject([
      { host: 'x1', ok: 2 },
      { host: 'x2', ok: 2 },
    ]);
    const [, sockets, folder = ''] = /sockets=(\d+) in (\S+)\./.exec(log) ?? [];
    expect(Number(sockets)).toBe(2);
    expect(existsSync(folder)).toBe(false);
    expect(await processesOf(job.id)).toEqual([]);
  });

  it('has room for the paths of sockets, however long the path of the job is', async () => {
    const config = readFileSync(join(import.meta.dirname, '../../job/ansible.cfg'), 'utf8');
    const job = createPlaybookJob({
      files: {
        'workspace/layer0/site.yml': FOLDERS,
        'workspace/ansible.cfg': config.replace('display_ok_hosts = no', 'display_ok_hosts = yes'),
      },
    });
    closing.push(() => job.remove());
    await job.run();
    expect(existsSync(job.path('workspace/tmp/kept'))).toBe(true);
    const [, temporary = '', persistent = ''] =
      /folders=(.+),(.+)\./.exec(job.log('ansible-0')) ?? [];
    const folder = join(tmpdir(), 'keelson-ssh-');
    expect([temporary, persistent]).toEqual([
      expect.stringMatching(new RegExp(`^${folder}[0-9a-f]{12}/tmp$`)),
      expect.stringMatching(new RegExp(`^${folder}[0-9a-f]{12}$`)),
    ]);
    expect(existsSync(persistent)).toBe(false);
  });
});
