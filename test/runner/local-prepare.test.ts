import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { aLaunch, aScript, awaitAll, launch, listJobs, never } from '../contract/runner-jobs.js';
import { waitFor } from '../support/wait.js';
import { launchBusy, type LocalHarness, useLocalHarnesses } from './local-harness.js';

const open = useLocalHarnesses();

describe('local runner: prepare', () => {
  const withSecrets = async (act: (harness: LocalHarness, directory: string) => Promise<void>) => {
    const source = await open();
    const directory = join(source.jobsDirectory, '.sources');
    await mkdir(join(directory, 'configs'), { recursive: true });
    const secret = async (name: string) => {
      await writeFile(join(directory, name), `content of ${name}`);
      return join(directory, name);
    };
    await writeFile(join(directory, 'configs', 'site-cfg'), '[defaults]\nforks = 7\n');
    const harness = await open({
      ansibleConfigDirectory: join(directory, 'configs'),
      secrets: {
        sshPrivateKeyFile: await secret('key'),
        sshPublicKeyFile: await secret('key.pub'),
        sshCertificateFile: await secret('key-cert.pub'),
        gitCredentialsFile: await secret('credentials'),
        gitCaFile: await secret('ca'),
        gitSshKeyFile: await secret('git-key'),
        gitKnownHostsFile: await secret('known-hosts'),
      },
    });
    await act(harness, directory);
  };

  test('puts everything where the job looks for it, readable by nobody else', async () => {
    await withSecrets(async ({ runner, path }) => {
      const given = {
        ...aLaunch([aScript('one', 'true')]),
        files: { inventory: Buffer.from('gz') },
        vaultToken: 's.of-a-tenant',
        imageKey: { privateKey: 'private half', publicKey: 'public half' },
      };
      const { jobId } = given.job;
      const incarnation = await runner.prepare(given, never);
      const read = (...names: string[]) => readFile(path(jobId, ...names), 'utf8');
      expect(await read('incarnation')).toBe(incarnation);
      expect(await read('files', 'inventory.gz')).toBe('gz');
      expect(await read('secrets', 'token')).toBe(given.token);
      expect(await read('secrets', 'vault-token')).toBe('s.of-a-tenant');
      expect(await read('secrets', 'git-credentials')).toBe('content of credentials');
      expect(await read('secrets', 'git-ca.crt')).toBe('content of ca');
      expect(await read('secrets', 'git-ssh-key')).toBe('content of git-key');
      expect(await read('secrets', 'git-known-hosts')).toBe('content of known-hosts');
      expect(await read('workspace', 'ssh', 'id_ecdsa')).toBe('content of key');
      expect(await read('workspace', 'ssh', 'id_ecdsa.pub')).toBe('content of key.pub');
      expect(await read('workspace', 'ssh', 'id_ecdsa-cert.pub')).toBe('content of key-cert.pub');
      expect(await read('workspace', 'ssh', 'id_image')).toBe('private half');
      expect(await read('workspace', 'ssh', 'id_image.pub')).toBe('public half\n');
      for (const entry of await readdir(path(jobId), { recursive: true, withFileTypes: true })) {
        const { mode } = await stat(join(entry.parentPath, entry.name));
        expect(mode & 0o777).toBe(entry.isDirectory() ? 0o700 : 0o600);
      }
    });
  });

  test('reads the secrets anew for each job, and the job removes them at its end', async () => {
    await withSecrets(async ({ runner, path }, directory) => {
      await writeFile(join(directory, 'key'), 'rotated');
      const given = aLaunch([aScript('one', 'cat ssh/id_ecdsa > seen')]);
      const { jobId } = given.job;
      await launch(runner, given);
      await awaitAll(runner, given);
      expect(await readFile(path(jobId, 'workspace', 'seen'), 'utf8')).toBe('rotated');
      await waitFor(() => stat(path(jobId, 'ended')));
      await expect(stat(path(jobId, 'secrets'))).rejects.toThrow('ENOENT');
      await expect(stat(path(jobId, 'workspace', 'ssh', 'id_ecdsa'))).rejects.toThrow('ENOENT');
    });
  });

  test('keeps the output of a job in its logs alone', async () => {
    const { runner, path } = await open();
    const given = aLaunch([aScript('one', 'echo said')]);
    const { jobId } = given.job;
    await launch(runner, given);
    await awaitAll(runner, given);
    expect(await readFile(path(jobId, 'logs', 'one.log'), 'utf8')).toBe('said\n');
    expect(await readFile(path(jobId, 'supervisor.log'), 'utf8')).toBe('');
  });

  test('removes the secrets of a job that was stopped or lost', async () => {
    await withSecrets(async (harness) => {
      const { runner, path } = harness;
      const stopped = aLaunch([aScript('one', 'true')]);
      await runner.prepare(stopped, never);
      await runner.stop(stopped.job.jobId, never);
      const lost = await launchBusy(harness);
      process.kill(await harness.findSupervisor(lost.job.jobId), 'SIGKILL');
      await awaitAll(runner, lost);
      for (const { jobId } of [stopped.job, lost.job]) {
        await expect(stat(path(jobId, 'secrets'))).rejects.toThrow('ENOENT');
        await expect(stat(path(jobId, 'workspace', 'ssh'))).rejects.toThrow('ENOENT');
      }
    });
  });

  test('fails for a missing secret, and leaves nothing', async () => {
    const harness = await open({ secrets: { gitCaFile: '/nowhere/ca' } });
    await expect(harness.runner.prepare(aLaunch([]), never)).rejects.toMatchObject({
      fault: 'unavailable',
    });
    expect(await readdir(harness.jobsDirectory)).toEqual([]);
  });

  test('takes the named Ansible configuration, or the built-in one', async () => {
    await withSecrets(async ({ runner, path }, directory) => {
      const config = async (ansibleConfig?: string) => {
        const given = aLaunch([aScript('one', 'true')]);
        await runner.prepare(
          { ...given, ...(ansibleConfig === undefined ? {} : { ansibleConfig }) },
          never,
        );
        return readFile(path(given.job.jobId, 'workspace', 'ansible.cfg'), 'utf8');
      };
      const builtIn = await readFile('job/ansible.cfg', 'utf8');
      expect(await config('site-cfg')).toBe('[defaults]\nforks = 7\n');
      expect(await config('cfs-default-ansible-cfg')).toBe(builtIn);
      expect(await config()).toBe(builtIn);
      await writeFile(join(directory, 'configs', 'cfs-default-ansible-cfg'), '[defaults]\n');
      expect(await config()).toBe('[defaults]\n');
    });
  });

  test.each(['other', '../key', 'configs/site-cfg', '.', ''])(
    'refuses the Ansible configuration %j and names those there are',
    async (ansibleConfig) => {
      await withSecrets(async ({ runner }) => {
        const given = { ...aLaunch([aScript('one', 'true')]), ansibleConfig };
        await expect(runner.prepare(given, never)).rejects.toMatchObject({
          fault: 'invalid',
          reason: 'PLAYBOOK_ERROR',
          message: `ansible_config: there is no "${ansibleConfig}"; available are cfs-default-ansible-cfg, site-cfg.`,
        });
        expect(await listJobs(runner)).toEqual([]);
      });
    },
  );

  test.each([
    ['that lost its content with the power', { incarnation: '', 'job.json': '' }],
    ['of which a part is left', { 'job.json': '{}' }],
  ])('replaces a directory %s', async (_, files) => {
    const { runner, path } = await open();
    const given = aLaunch([aScript('one', 'true')]);
    const { jobId } = given.job;
    await mkdir(path(jobId), { recursive: true });
    for (const [name, text] of Object.entries(files)) await writeFile(path(jobId, name), text);

    const incarnation = await runner.prepare(given, AbortSignal.timeout(5000));

    expect(incarnation).toMatch(/^[0-9a-f-]{36}$/);
    expect(await readFile(path(jobId, 'incarnation'), 'utf8')).toBe(incarnation);
    expect(await listJobs(runner)).toEqual([{ jobId, incarnation, state: 'prepared' }]);
  });

  test('keeps such a directory if its job may have run', async () => {
    const { runner, path } = await open();
    const given = aLaunch([aScript('one', 'true')]);
    const { jobId } = given.job;
    await runner.prepare(given, never);
    await rm(path(jobId, 'incarnation'));
    await writeFile(path(jobId, 'released'), '');

    await expect(runner.prepare(given, AbortSignal.timeout(5000))).rejects.toMatchObject({
      fault: 'unavailable',
      reason: 'INTERNAL',
    });
    expect(await readFile(path(jobId, 'job.json'), 'utf8')).not.toBe('');
  });

  test.each(['../escape', '.hidden', '', 'a/b'])('refuses the job id %j', async (jobId) => {
    const harness = await open();
    await expect(
      (async () => harness.runner.prepare(aLaunch([], { jobId }), never))(),
    ).rejects.toMatchObject({ fault: 'invalid' });
  });
});
