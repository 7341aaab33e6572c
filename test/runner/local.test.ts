import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, closeSync } from 'node:fs';
import {
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { jobPaths, readSupervisor } from '../../src/runner/job-directory.js';
import { isAlive, readProcess } from '../../src/runner/process-identity.js';
import { findJobProcesses } from '../../src/runner/process-tree.js';
import {
  aCommand,
  aLaunch,
  aScript,
  awaitAll,
  launch,
  listJobs,
  readLog,
  waitForOutput,
} from '../contract/runner-contract.js';
import { waitFor } from '../support/wait.js';
import { createLocalHarness, localOptions, type LocalHarness } from './local-harness.js';

/** Launches what it is told on standard input, and stays. */
const WORKER = `
import { json } from 'node:stream/consumers';
import { createLocalRunner } from '${process.cwd()}/dist/runner/local.js';
const { options, given } = await json(process.stdin);
const runner = createLocalRunner(options);
const { signal } = new AbortController();
const incarnation = await runner.prepare(given, signal);
await runner.release(given.job.jobId, incarnation, signal);
await runner.awaitPhase(given.job.jobId, 'one', signal);
`;

const never = new AbortController().signal;
const LOST = expect.objectContaining({ kind: 'killed', reason: 'lost' });
const STOPPED = expect.objectContaining({ kind: 'killed', reason: 'stopped' });
const SKIPPED = expect.objectContaining({ kind: 'unstarted', reason: 'skipped' });

/** One phase that left a daemon with its environment, as SSH's ControlPersist master is. */
const busy = () =>
  aLaunch([
    aScript(
      'one',
      'setsid sh -c "trap \'\' TERM; sleep 1000; sleep 1000" & echo ready; sleep 1000',
    ),
    aScript('two', 'true'),
  ]);

async function launchBusy({ runner }: LocalHarness) {
  const given = busy();
  await launch(runner, given);
  await waitForOutput(runner, given.job.jobId, 'one', 'ready');
  return given;
}

describe('local runner: what dies', () => {
  let harness: LocalHarness;
  beforeAll(async () => {
    harness = await createLocalHarness();
  });
  afterAll(() => harness.close());

  test.each(['supervisor', 'wrapper', 'both'] as const)(
    '%s: lost, and nothing is left',
    async (who) => {
      const given = await launchBusy(harness);
      const { jobId } = given.job;
      const victims = [
        ...(who === 'wrapper' ? [] : [await harness.findSupervisor(jobId)]),
        ...(who === 'supervisor' ? [] : [await harness.findWrapper(jobId)]),
      ];
      const killedAt = Date.now();
      for (const pid of victims) process.kill(pid, 'SIGKILL');
      expect(await awaitAll(harness.runner, given)).toEqual([LOST, SKIPPED]);
      expect(Date.now() - killedAt).toBeLessThan(10_000);
      await waitFor(async () => (await harness.countProcesses(jobId)) === 0);
      await harness.runner.stop(jobId, never);
      expect(await awaitAll(harness.runner, given)).toEqual([LOST, SKIPPED]);
      expect((await readLog(harness.runner, jobId, 'one')).toString()).toContain('ready\n');
    },
  );

  test.each([
    ['boot_id', 'of another boot'],
    ['start_time', 1],
  ])('supervisor whose number another process has, told by %s', async (member, value) => {
    const given = await launchBusy(harness);
    const { jobId } = given.job;
    const path = harness.path(jobId, 'supervisor.json');
    const identity = JSON.parse(await readFile(path, 'utf8')) as { pid: number };
    for (const pid of [identity.pid, await harness.findWrapper(jobId)])
      process.kill(pid, 'SIGKILL');
    const other = {
      ...identity,
      pid: process.pid,
      start_time: (await readProcess(process.pid))?.startTime,
    };
    await writeFile(path, JSON.stringify(other));
    const believed = await readSupervisor(jobPaths(harness.path(jobId)));
    expect(believed && (await isAlive(believed))).toBe(true);
    await writeFile(path, JSON.stringify({ ...other, [member]: value }));
    expect(await awaitAll(harness.runner, given)).toEqual([LOST, SKIPPED]);
    expect(await harness.countProcesses(jobId)).toBe(0);
  });

  test('directory that vanishes: lost', async () => {
    const given = await launchBusy(harness);
    const { jobId } = given.job;
    const waiting = harness.runner.awaitPhase(jobId, 'one', never);
    await rename(harness.path(jobId), join(harness.jobsDirectory, 'cfs-elsewhere-00000000'));
    expect(await waiting).toEqual({ kind: 'killed', reason: 'lost' });
    expect(await harness.countProcesses(jobId)).toBe(0);
  });

  test('supervisor that does not answer is killed when it is told to stop', async () => {
    const eager = await createLocalHarness({ graceSlackSeconds: 0 });
    const given = await launchBusy(eager);
    const { jobId } = given.job;
    process.kill(await eager.findSupervisor(jobId), 'SIGSTOP');
    await eager.runner.stop(jobId, never);
    expect(await eager.countProcesses(jobId)).toBe(0);
    expect(await awaitAll(eager.runner, given)).toEqual([STOPPED, SKIPPED]);
    await eager.close();
  });
});

describe('local runner: release', () => {
  test('starts what an earlier release did not come to start', async () => {
    const harness = await createLocalHarness();
    const given = aLaunch([aScript('one', 'true')]);
    const { jobId } = given.job;
    const incarnation = await harness.runner.prepare(given, never);
    await writeFile(harness.path(jobId, 'released'), '');
    await harness.runner.release(jobId, incarnation, never);
    expect(await awaitAll(harness.runner, given)).toEqual([
      expect.objectContaining({ kind: 'exited', exitCode: 0 }),
    ]);
    await harness.close();
  });

  test('says that Python is not there', async () => {
    const harness = await createLocalHarness({ python: '/nowhere/python3' });
    const given = aLaunch([aScript('one', 'true')]);
    const incarnation = await harness.runner.prepare(given, never);
    await expect(harness.runner.release(given.job.jobId, incarnation, never)).rejects.toMatchObject(
      {
        fault: 'unavailable',
        message: expect.stringContaining('/nowhere/python3'),
      },
    );
    await harness.close();
  });

  test('gives the supervisor a session of its own and nothing of the worker', async () => {
    const harness = await createLocalHarness();
    process.env['SECRET_OF_THE_WORKER'] = 'secret';
    const open = openSync('/proc/self/status', 'r');
    const given = await launchBusy(harness);
    const { jobId } = given.job;
    const pid = await harness.findSupervisor(jobId);
    const environment = (await readFile(`/proc/${pid}/environ`, 'utf8'))
      .split('\0')
      .filter(Boolean);
    expect(environment.map((entry) => entry.split('=')[0]).sort()).toEqual([
      'KEELSON_JOB',
      'LANG',
      'PATH',
    ]);
    const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ');
    expect(Number(fields?.[3])).toBe(pid);
    for (const fd of await readdir(`/proc/${pid}/fd`)) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`);
      expect(target).toMatch(new RegExp(`^(/dev/null|pipe:|anon_inode:|${harness.path(jobId)}/)`));
    }
    closeSync(open);
    delete process.env['SECRET_OF_THE_WORKER'];
    await harness.close();
  });
});

describe('local runner: worker', () => {
  test('that is killed leaves its job running, and the next one sees its end', async () => {
    const harness = await createLocalHarness();
    const given = aLaunch([aScript('one', 'echo ready; while [ ! -e go ]; do sleep 0.05; done')]);
    const { jobId } = given.job;
    const worker = spawn(process.execPath, ['--input-type=module', '-e', WORKER], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    worker.stdin.end(JSON.stringify({ options: localOptions(harness.jobsDirectory), given }));
    await waitForOutput(harness.runner, jobId, 'one', 'ready');
    worker.kill('SIGKILL');
    await once(worker, 'exit');
    const waiting = harness.runner.awaitPhase(jobId, 'one', never);
    await writeFile(harness.path(jobId, 'workspace', 'go'), '');
    expect(await waiting).toMatchObject({ kind: 'exited', exitCode: 0 });
    await harness.close();
  });
});

describe('local runner: prepare', () => {
  const withSecrets = async (act: (harness: LocalHarness, directory: string) => Promise<void>) => {
    const source = await createLocalHarness();
    const directory = join(source.jobsDirectory, '.sources');
    await mkdir(join(directory, 'configs'), { recursive: true });
    const secret = async (name: string) => {
      await writeFile(join(directory, name), `content of ${name}`);
      return join(directory, name);
    };
    await writeFile(join(directory, 'configs', 'site-cfg'), '[defaults]\nforks = 7\n');
    const harness = await createLocalHarness({
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
    await harness.close();
    await source.close();
  };

  test('puts everything where the job looks for it, for nobody else to read', async () => {
    await withSecrets(async ({ runner, path }) => {
      const given = {
        ...aLaunch([aScript('one', 'true')]),
        files: { inventory: Buffer.from('gz') },
      };
      const { jobId } = given.job;
      const incarnation = await runner.prepare(given, never);
      const read = (...names: string[]) => readFile(path(jobId, ...names), 'utf8');
      expect(await read('incarnation')).toBe(incarnation);
      expect(await read('files', 'inventory.gz')).toBe('gz');
      expect(await read('secrets', 'token')).toBe(given.token);
      expect(await read('secrets', 'git-credentials')).toBe('content of credentials');
      expect(await read('secrets', 'git-ca.crt')).toBe('content of ca');
      expect(await read('secrets', 'git-ssh-key')).toBe('content of git-key');
      expect(await read('secrets', 'git-known-hosts')).toBe('content of known-hosts');
      expect(await read('workspace', 'ssh', 'id_ecdsa')).toBe('content of key');
      expect(await read('workspace', 'ssh', 'id_ecdsa.pub')).toBe('content of key.pub');
      expect(await read('workspace', 'ssh', 'id_ecdsa-cert.pub')).toBe('content of key-cert.pub');
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

  test('takes the secrets of a job away that was stopped or lost', async () => {
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

  test('fails for a secret that is away, and leaves nothing', async () => {
    const harness = await createLocalHarness({ secrets: { gitCaFile: '/nowhere/ca' } });
    await expect(harness.runner.prepare(aLaunch([]), never)).rejects.toMatchObject({
      fault: 'unavailable',
    });
    expect(await readdir(harness.jobsDirectory)).toEqual([]);
    await harness.close();
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
          message: `ansible_config: there is no "${ansibleConfig}"; there are cfs-default-ansible-cfg, site-cfg.`,
        });
        expect(await listJobs(runner)).toEqual([]);
      });
    },
  );

  test.each(['../escape', '.hidden', '', 'a/b'])('refuses the job id %j', async (jobId) => {
    const harness = await createLocalHarness();
    await expect(
      (async () => harness.runner.prepare(aLaunch([], { jobId }), never))(),
    ).rejects.toMatchObject({ fault: 'invalid' });
    await harness.close();
  });
});

describe('local runner: remove', () => {
  test('leaves nothing, not even what a dead preparation or removal left', async () => {
    const harness = await createLocalHarness();
    const given = await launchBusy(harness);
    for (const name of ['.prepare-old', '.prepare-new', '.removed-half'])
      await mkdir(join(harness.jobsDirectory, name));
    await utimes(join(harness.jobsDirectory, '.prepare-old'), 1, 1);
    await harness.runner.remove(given.job.jobId, never);
    expect(await readdir(harness.jobsDirectory)).toEqual(['.prepare-new']);
    expect(await harness.countProcesses(given.job.jobId)).toBe(0);
    await harness.close();
  });
});

describe('local runner: list', () => {
  test('tells when a job ended', async () => {
    const harness = await createLocalHarness();
    const before = new Date(Date.now() - 1000).toISOString();
    const given = aLaunch([aScript('one', 'true')]);
    await launch(harness.runner, given);
    await awaitAll(harness.runner, given);
    const found = await waitFor(async () => {
      for await (const job of harness.runner.list(never)) if (job.state === 'ended') return job;
      return undefined;
    });
    expect(found.endedAt?.localeCompare(before)).toBe(1);
    await harness.close();
  });
});

describe('findJobProcesses', () => {
  test('finds by environment and by descent, and nobody else', async () => {
    const harness = await createLocalHarness();
    const given = aLaunch([
      aCommand('one', ['env', '-i', 'sh', '-c', 'echo ready; exec /bin/sleep 1000']),
    ]);
    const { jobId } = given.job;
    await launch(harness.runner, given);
    await waitForOutput(harness.runner, jobId, 'one', 'ready');
    const found = (await findJobProcesses(jobId)).map(({ pid }) => pid);
    const supervisor = await harness.findSupervisor(jobId);
    const wrapper = await harness.findWrapper(jobId);
    expect(found).toEqual(expect.arrayContaining([supervisor, wrapper]));
    expect(found).toHaveLength(3);
    expect(found).not.toContain(process.pid);
    expect(await findJobProcesses('cfs-absent-00000000')).toEqual([]);
    expect(await readProcess(process.pid)).toMatchObject({ pid: process.pid });
    await harness.close();
  });
});

describe('close', () => {
  test('ends every wait', async () => {
    const harness = await createLocalHarness();
    const given = aLaunch([aScript('one', 'true')]);
    await harness.runner.prepare(given, never);
    const waiting = harness.runner.awaitPhase(given.job.jobId, 'one', never);
    harness.runner.close();
    await expect(waiting).rejects.toThrow('closed');
    await harness.close();
  });
});
