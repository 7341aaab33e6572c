import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createGitClient, type GitOptions } from '../../src/clients/git.js';
import { createRepository, type Repository } from '../support/git-repository.js';
import { createKey, startSshHost, type SshHost } from '../support/ssh-host.js';

describe('resolve over SSH', () => {
  let repository: Repository;
  let host: SshHost;
  let directory: string;
  let url: string;
  let known: string;

  beforeAll(async () => {
    repository = createRepository({ files: { 'site.yml': '[]' } });
    host = await startSshHost({ name: 'git' });
    directory = mkdtempSync(join(tmpdir(), "keelson ssh's-"));
    url = `ssh://${host.user}@${host.address}${repository.directory}`;
    known = join(directory, 'known hosts');
    writeFileSync(known, `[${host.host}]:${host.port} ${host.hostKey}\n`);
  });
  afterAll(async () => {
    await host.remove();
    repository.remove();
    rmSync(directory, { recursive: true });
  });

  const resolve = (options: Partial<GitOptions>) =>
    createGitClient({ protocols: 'ssh', ...options }).resolve(
      url,
      'main',
      new AbortController().signal,
    );

  test('takes our key to a server whose host key is known', async () => {
    const commit = await resolve({ sshKeyFile: host.userKeyFile, knownHostsFile: known });

    expect(commit).toBe(repository.commit);
  });

  test('refuses a server whose host key is not known', async () => {
    await expect(resolve({ sshKeyFile: host.userKeyFile })).rejects.toMatchObject({
      fault: 'rejected',
      reason: 'GIT_CLONE',
      message: expect.stringContaining('has an SSH host key that is not known'),
    });
  });

  test('says that its key is refused', async () => {
    const sshKeyFile = join(directory, 'other');
    createKey(sshKeyFile);

    await expect(resolve({ sshKeyFile, knownHostsFile: known })).rejects.toMatchObject({
      fault: 'rejected',
      reason: 'GIT_CLONE',
      message: expect.stringMatching(/refused our SSH key: .*Permission denied \(/),
    });
  });
});
