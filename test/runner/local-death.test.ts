import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { jobPaths, readSupervisor } from '../../src/runner/job-directory.js';
import { isAlive, readProcess } from '../../src/runner/process-identity.js';
import { findJobProcesses } from '../../src/runner/process-tree.js';
import {
  aLaunch,
  aScript,
  awaitAll,
  launch,
  never,
  readLog,
  waitForOutput,
  LOST,
  SKIPPED,
  STOPPED,
} from '../contract/runner-jobs.js';
import { FOREIGN_DAEMON, IS_ROOT, WITHOUT_KILL } from '../support/foreign-process.js';
import { waitFor } from '../support/wait.js';
import { launchBusy, localOptions, useLocalHarnesses } from './local-harness.js';

/** Launches the job that it reads on stdin and stays; or stops the job once the file `stopAt` exists. */
const WORKER = `
import { existsSync } from 'node:fs';
import { json } from 'node:stream/consumers';
import { createLocalRunner } from '${process.cwd()}/dist/runner/local.js';
const { options, given, stopAt } = await json(process.stdin);
const runner = createLocalRunner(options);
const { signal } = new AbortController();
const incarnation = await runner.prepare(given, signal);
await runner.release(given.job.jobId, incarnation, signal);
if (stopAt === undefined) await runner.awaitPhase(given.job.jobId, 'one', signal);
else {
  while (!existsSync(stopAt)) await new Promise(setImmediate);
  await runner.stop(given.job.jobId, signal);
  runner.close();
}
`;

const open = useLocalHarnesses();

describe('local runner: death of the', () => {
  test.each(['supervisor', 'wrapper', 'both'] as const)(
    '%s: lost, and nothing is left',
    async (who) => {
      const harness = await open();
      const given = await launchBusy(harness);
      const { jobId } = given.job;
      const victims = [
        ...(who === 'wrapper' ? [] : [await harness.findSupervisor(jobId)]),
        ...(who === 'supervisor' ? [] : [await harness.findWrapper(jobId)]),
      ];
      for (const pid of victims) process.kill(pid, 'SIGKILL');
      expect(await awaitAll(harness.runner, given)).toEqual([LOST, SKIPPED]);
      await waitFor(async () => (await harness.countProcesses(jobId)) === 0);
      await harness.runner.stop(jobId, never);
      expect(await awaitAll(harness.runner, given)).toEqual([LOST, SKIPPED]);
      expect((await readLog(harness.runner, jobId, 'one')).toString()).toContain('ready\n');
    },
  );

  test('supervisor and wrapper, with unredacted results: those are removed', async () => {
    const harness = await open();
    const script = 'echo "{}" > "$KEELSON_RESULTS"; echo ready; sleep 1000';
    const given = aLaunch([aScript('one', script)]);
    const { jobId } = given.job;
    await launch(harness.runner, given);
    await waitForOutput(harness.runner, jobId, 'one', 'ready');
    const victims = [await harness.findSupervisor(jobId), await harness.findWrapper(jobId)];
    for (const pid of victims) process.kill(pid, 'SIGKILL');
    expect(await awaitAll(harness.runner, given)).toEqual([LOST]);
    await expect(stat(harness.path(jobId, 'results'))).rejects.toThrow('ENOENT');
  });

  test.each([
    ['boot_id', 'of another boot'],
    ['start_time', 1],
  ])('supervisor whose pid another process has, recognized by %s', async (member, value) => {
    const harness = await open();
    const given = await launchBusy(harness);
    const { jobId } = given.job;
    const path = harness.path(jobId, 'supervisor.json');
    const identity = JSON.parse(await readFile(path, 'utf8')) as { pid: number };
    for (const pid of [identity.pid, await harness.findWrapper(jobId)])
      process.kill(pid, 'SIGKILL');
    const other = {
      ...identity,
      pid: process.pid,
      start_time: readProcess(process.pid)?.startTime,
    };
    await writeFile(path, JSON.stringify(other));
    const believed = await readSupervisor(jobPaths(harness.path(jobId)));
    expect(believed && isAlive(believed)).toBe(true);
    await writeFile(path, JSON.stringify({ ...other, [member]: value }));
    expect(await awaitAll(harness.runner, given)).toEqual([LOST, SKIPPED]);
    expect(await harness.countProcesses(jobId)).toBe(0);
  });

  test('job with its directory: lost', async () => {
    const harness = await open();
    const given = await launchBusy(harness);
    const { jobId } = given.job;
    const waiting = harness.runner.awaitPhase(jobId, 'one', never);
    await rename(harness.path(jobId), join(harness.jobsDirectory, 'cfs-elsewhere-00000000'));
    expect(await waiting).toEqual({ kind: 'killed', reason: 'lost' });
    expect(await harness.countProcesses(jobId)).toBe(0);
  });

  test('machine, before the identity of the supervisor was on the disk: lost, and nothing runs later', async () => {
    const harness = await open({ startSeconds: 0.5 });
    const { runner } = harness;
    const given = aLaunch([aScript('one', 'touch ran'), aScript('two', 'true')]);
    const { jobId } = given.job;
    const incarnation = await runner.prepare(given, never);
    await writeFile(harness.path(jobId, 'released'), '');
    expect(await runner.awaitPhase(jobId, 'one', never)).toEqual({
      kind: 'killed',
      reason: 'lost',
    });
    await runner.release(jobId, incarnation, never);
    expect(existsSync(harness.path(jobId, 'workspace', 'ran'))).toBe(false);
    expect(await harness.countProcesses(jobId)).toBe(0);
  });

  test('supervisor that does not answer is killed when it is told to stop', async () => {
    const eager = await open({ graceSlackSeconds: 0 });
    const given = await launchBusy(eager);
    const { jobId } = given.job;
    process.kill(await eager.findSupervisor(jobId), 'SIGSTOP');
    await eager.runner.stop(jobId, never);
    expect(await eager.countProcesses(jobId)).toBe(0);
    expect(await awaitAll(eager.runner, given)).toEqual([STOPPED, SKIPPED]);
  });
});

(IS_ROOT ? describe : describe.skip)('local runner: process of another user', () => {
  test('does not keep a job from being stopped', async () => {
    const harness = await open();
    const given = aLaunch([aScript('one', `${FOREIGN_DAEMON}; touch ready; sleep 1000`)]);
    const { jobId } = given.job;
    const options = localOptions(harness.jobsDirectory, { graceSlackSeconds: 0 });
    const argv = [...WITHOUT_KILL, process.execPath, '--input-type=module', '-e', WORKER];
    const worker = spawn('setpriv', argv, { stdio: ['pipe', 'ignore', 'inherit'] });
    const stopAt = harness.path(jobId, 'workspace', 'ready');
    worker.stdin.end(JSON.stringify({ options, given, stopAt }));
    try {
      expect(await once(worker, 'exit')).toEqual([0, null]);
      expect(await awaitAll(harness.runner, given)).toEqual([STOPPED]);
      expect(await harness.countProcesses(jobId)).toBe(1);
    } finally {
      for (const { pid } of await findJobProcesses(jobId)) process.kill(pid, 'SIGKILL');
    }
  });
});

describe('removeSocketFolder', () => {
  test('removes the folder that the job makes for sockets', async () => {
    const harness = await open();
    const given = await launchBusy(harness);
    const { jobId } = given.job;
    const makeFolder = [
      'import sys, pathlib',
      'from job.directory import JobDirectory',
      'from job.settings import make_socket_folder, to_socket_folder',
      'directory = JobDirectory(pathlib.Path(sys.argv[1]))',
      'make_socket_folder(directory, sys.argv[1])',
      'print(to_socket_folder(directory))',
    ].join('\n');
    const { python } = localOptions(harness.jobsDirectory);
    const folder = execFileSync(python, ['-c', makeFolder, harness.path(jobId)], {
      encoding: 'utf8',
    }).trim();
    expect((await stat(folder)).isDirectory()).toBe(true);
    const victims = [await harness.findSupervisor(jobId), await harness.findWrapper(jobId)];
    for (const pid of victims) process.kill(pid, 'SIGKILL');
    await awaitAll(harness.runner, given);
    await expect(stat(folder)).rejects.toThrow('ENOENT');
  });
});

describe('local runner: worker', () => {
  test('that is killed leaves its job running, and the next one sees its end', async () => {
    const harness = await open();
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
  });
});
