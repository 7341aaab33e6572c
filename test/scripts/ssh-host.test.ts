import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createRepository } from '../support/git-repository.js';
import { findHostProcesses, startSshHost, type SshHost } from '../support/ssh-host.js';
import { waitFor } from '../support/wait.js';

const run = promisify(execFile);
let host: SshHost;

beforeAll(async () => {
  host = await startSshHost({ name: 'x1' });
});

afterAll(() => host.remove());

describe('startSshHost', () => {
  test('gives sessions the directory as home', async () => {
    const { stdout } = await ssh('echo $HOME $KEELSON_WORLD');
    expect(stdout.trim()).toBe(`${host.directory} ${host.directory}`);
  });

  test('copies files', async () => {
    const source = join(host.directory, '..', 'source');
    writeFileSync(source, 'hello');
    await run('scp', [...options(), '-P', String(host.port), source, `${login()}:copy`]);
    expect(readFileSync(join(host.directory, 'copy'), 'utf8')).toBe('hello');
  });

  test('ends what its sessions left behind, and starts again on its port', async () => {
    await ssh('setsid sleep 1000 > /dev/null 2>&1 < /dev/null & sleep 1000 > /dev/null 2>&1 &');
    await waitFor(() => host.processes().length >= 3, { what: 'the sleeping processes' });
    await host.stop();
    expect(host.processes()).toEqual([]);
    await expect(ssh('true')).rejects.toThrow('Connection refused');
    const directory = join(host.directory, '..');
    host = await startSshHost({ name: 'x1', directory, port: host.port });
    await ssh('true');
  });

  test('ends with the process that started it, even if that is killed', async () => {
    const file = pathToFileURL(join(import.meta.dirname, '../../scripts/lib/ssh-host.mjs')).href;
    const directory = mkdtempSync(join(tmpdir(), 'keelson-x2-'));
    const script = `
      const { startSshHost } = await import('${file}');
      await startSshHost({ name: 'x2', directory: '${directory}' });
      process.kill(process.pid, 'SIGKILL');`;
    await expect(
      run(process.execPath, ['--input-type=module', '-e', script]),
    ).rejects.toMatchObject({ signal: 'SIGKILL' });
    await waitFor(() => findHostProcesses(directory).length === 0, { what: 'the end of sshd' });
    rmSync(directory, { recursive: true });
  });
});

describe('createRepository', () => {
  test('serves its commits at its address', async () => {
    const repository = createRepository({ files: { 'site.yml': '[]\n' } });
    repository.createBranch('next');
    const next = repository.addCommit({ files: { 'roles/a': 'b' }, branch: 'next' });
    const { stdout } = await run('git', ['ls-remote', '--heads', repository.url]);
    expect(stdout).toBe(`${repository.commit}\trefs/heads/main\n${next}\trefs/heads/next\n`);
    repository.remove();
  });
});

function ssh(command: string) {
  return run('ssh', [...options(), '-p', String(host.port), login(), command]);
}

function login() {
  return `${host.user}@${host.host}`;
}

function options() {
  const known = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'];
  return ['-F', 'none', '-i', host.userKeyFile, ...known.flatMap((option) => ['-o', option])];
}
