import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, closeSync } from 'node:fs';
import {
  chmod,
  chown,
  mkdir,
  rm,
  readdir,
  readFile,
  readlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { readProcess } from '../../src/runner/process-identity.js';
import { removeTree } from '../../src/runner/files.js';
import { endJobProcesses, findJobProcesses } from '../../src/runner/process-tree.js';
import {
  aCommand,
  aLaunch,
  aScript,
  awaitAll,
  launch,
  listJobs,
  never,
  waitForOutput,
  STOPPED,
} from '../contract/runner-jobs.js';
import { IS_ROOT } from '../support/foreign-process.js';
import { launchBusy, useLocalHarnesses } from './local-harness.js';

const NOBODY = 65_534;
const open = useLocalHarnesses();

describe('local runner: findResults', () => {
  test('reads what a phase has left signed, for as long as its job is there', async () => {
    const harness = await open();
    const { runner } = harness;
    const empty = JSON.stringify({ hosts: [] });
    const given = aLaunch([
      aScript('one', `printf '%s' '${empty}' > "$KEELSON_RESULTS"`),
      aScript('two', 'true'),
    ]);
    const { jobId } = given.job;
    await launch(runner, given);
    await awaitAll(runner, given);
    expect(await runner.findResults(jobId, 'one', never)).toMatch(/^[\w+/]+=*:[0-9a-f]{64}$/);
    expect(await runner.findResults(jobId, 'two', never)).toBeUndefined();
    await runner.remove(jobId, never);
    expect(await runner.findResults(jobId, 'one', never)).toBeUndefined();
  });
});

describe('local runner: release', () => {
  test('starts a supervisor that an earlier release did not get to start', async () => {
    const harness = await open();
    const given = aLaunch([aScript('one', 'true')]);
    const { jobId } = given.job;
    const incarnation = await harness.runner.prepare(given, never);
    await writeFile(harness.path(jobId, 'released'), '');
    await harness.runner.release(jobId, incarnation, never);
    expect(await awaitAll(harness.runner, given)).toEqual([
      expect.objectContaining({ kind: 'exited', exitCode: 0 }),
    ]);
  });

  test('says that Python is missing', async () => {
    const harness = await open({ python: '/nowhere/python3' });
    const given = aLaunch([aScript('one', 'true')]);
    const incarnation = await harness.runner.prepare(given, never);
    await expect(harness.runner.release(given.job.jobId, incarnation, never)).rejects.toMatchObject(
      {
        fault: 'unavailable',
        message: expect.stringContaining('/nowhere/python3'),
      },
    );
  });

  test('gives the supervisor its own session, and nothing of the worker', async () => {
    const harness = await open();
    process.env['SECRET_OF_THE_WORKER'] = 'secret';
    const descriptor = openSync('/proc/self/status', 'r');
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
    closeSync(descriptor);
    delete process.env['SECRET_OF_THE_WORKER'];
  });
});

describe('local runner: remove', () => {
  test('leaves nothing', async () => {
    const harness = await open();
    const given = await launchBusy(harness);
    await harness.runner.remove(given.job.jobId, never);
    expect(await readdir(harness.jobsDirectory)).toEqual([]);
    expect(await harness.countProcesses(given.job.jobId)).toBe(0);
  });

  test('removes what an interrupted preparation or removal left', async () => {
    const { jobsDirectory, runner } = await open();
    const startTime = readProcess(process.pid)?.startTime ?? '';
    const mine = `.prepare-${process.pid}-${startTime}-a`;
    const dead = `.prepare-${process.pid}-${Number(startTime) + 1}-b`;
    for (const name of [mine, dead, '.prepare-new', '.prepare-old', '.removed-half'])
      await mkdir(join(jobsDirectory, name));
    await utimes(join(jobsDirectory, '.prepare-old'), 1, 1);
    await runner.removeLeftovers(never);
    expect((await readdir(jobsDirectory)).sort()).toEqual([mine, '.prepare-new'].sort());
  });

  (IS_ROOT ? test : test.skip)('removes the other leftovers if one cannot be removed', async () => {
    const { jobsDirectory, runner } = await open();
    for (const name of ['.removed-a', '.removed-b', '.removed-c'])
      await mkdir(join(jobsDirectory, name, 'folder'), { recursive: true });
    for (const name of ['', '.removed-a', '.removed-a/folder', '.removed-c', '.removed-c/folder'])
      await chown(join(jobsDirectory, name), NOBODY, NOBODY);
    process.seteuid?.(NOBODY);
    try {
      await expect(runner.removeLeftovers(never)).rejects.toThrow('could not be removed: 1');
    } finally {
      process.seteuid?.(0);
    }
    expect(await readdir(jobsDirectory)).toEqual(['.removed-b']);
  });

  test('ignores files that are not its own', async () => {
    const { jobsDirectory, runner } = await open();
    await mkdir(join(jobsDirectory, 'lost+found'));
    expect(await listJobs(runner)).toEqual([]);
  });
});

describe('removeTree', () => {
  test('removes what is read-only, also for an ordinary user', async () => {
    const { jobsDirectory } = await open();
    const top = join(jobsDirectory, 'top');
    await mkdir(join(top, 'cache'), { recursive: true });
    await writeFile(join(top, 'cache', 'file'), '');
    await chmod(join(top, 'cache'), 0o555);
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) {
      for (const path of [jobsDirectory, top, join(top, 'cache')])
        await chown(path, NOBODY, NOBODY);
      process.seteuid?.(NOBODY);
    }
    try {
      await expect(rm(top, { recursive: true })).rejects.toThrow('EACCES');
      await removeTree(top);
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
    expect(await readdir(jobsDirectory)).toEqual([]);
  });
});

describe('findJobProcesses', () => {
  test('finds processes by environment and by descent, and no others', async () => {
    const harness = await open();
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
    const began = readProcess(supervisor)?.startTime ?? '';
    const later = await findJobProcesses(jobId, began);
    expect(later.map(({ pid }) => pid)).toEqual(found);
    expect(await findJobProcesses(jobId, String(Number(began) + 1_000_000))).toEqual([]);
    expect(await findJobProcesses('cfs-absent-00000000')).toEqual([]);
    expect(readProcess(process.pid)).toMatchObject({ pid: process.pid });
  });

  test('finds a process whose parent ended before it was read', async () => {
    for (let round = 0; round < 10; round += 1) {
      const jobId = `cfs-hop${round}-00000000`;
      const env = { ...process.env, KEELSON_JOB: jobId };
      const stdio = ['pipe', 'ignore', 'ignore'] as const;
      const child = spawn('sh', ['-c', 'read go; sleep 1000 &'], { env, stdio: [...stdio] });
      const exited = once(child, 'exit');
      const finding = findJobProcesses(jobId);
      // By then it has most likely been listed.
      await readdir('/proc');
      child.stdin.end('go\n');
      const found = await finding;
      await exited;
      await endJobProcesses(jobId, 0, never);
      expect(found).not.toEqual([]);
    }
  });
});

describe('endJobProcesses', () => {
  test('gives no more time if the clock is set back meanwhile', async () => {
    const env = { ...process.env, KEELSON_JOB: 'cfs-clock-00000000' };
    const script = 'trap "" TERM; echo ready; while :; do sleep 1; done';
    const child = spawn('sh', ['-c', script], { env, stdio: ['ignore', 'pipe', 'ignore'] });
    await once(child.stdout, 'data');
    const clock = jest.spyOn(Date, 'now').mockReturnValue(0);
    const exited = once(child, 'exit');
    await endJobProcesses('cfs-clock-00000000', 50, never).finally(() => clock.mockRestore());
    expect(await exited).toEqual([null, 'SIGKILL']);
  });
});

describe('local runner: awaitPhase', () => {
  test('reports a job that never existed as lost', async () => {
    const { runner } = await open({ jobsDirectory: '/nowhere/jobs' });
    expect(await runner.awaitPhase('cfs-absent-00000000', 'one', never)).toEqual({
      kind: 'killed',
      reason: 'lost',
    });
  });

  test('waits for fifty jobs at once', async () => {
    const { runner } = await open();
    const jobs = Array.from({ length: 50 }, () => aLaunch([aScript('one', 'true')]));
    for (const given of jobs) await runner.prepare(given, never);
    const waiting = jobs.map(({ job }) => runner.awaitPhase(job.jobId, 'one', never));
    await Promise.all(jobs.map(({ job }) => runner.stop(job.jobId, never)));
    expect(await Promise.all(waiting)).toEqual(jobs.map(() => STOPPED));
  });
});

describe('close', () => {
  test('ends every wait', async () => {
    const harness = await open();
    const given = aLaunch([aScript('one', 'true')]);
    await harness.runner.prepare(given, never);
    const waiting = harness.runner.awaitPhase(given.job.jobId, 'one', never);
    harness.runner.close();
    await expect(waiting).rejects.toThrow('closed');
  });
});
