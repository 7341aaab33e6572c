import { describe, expect, test } from '@jest/globals';
import { waitFor } from '../support/wait.js';
import {
  aCommand,
  aLaunch,
  aScript,
  awaitAll,
  launch,
  never,
  readLog,
  waitForOutput,
  EXITED_0,
  SKIPPED,
  STOPPED,
  type RunnerHarness,
} from './runner-jobs.js';

export function describeProcesses(harness: () => RunnerHarness): void {
  const expectNothingLeft = async (jobId: string) => {
    await waitFor(async () => (await harness().countProcesses(jobId)) === 0, {
      what: `the end of every process of ${jobId}`,
    });
  };
  /** Leaves its process group, session and parent, like SSH's ControlPersist master. */
  const daemon = [
    'import os, signal, time',
    'if os.fork() == 0:',
    '    os.setsid()',
    '    if os.fork() == 0:',
    '        signal.signal(signal.SIGTERM, signal.SIG_IGN)',
    '        null = os.open(os.devnull, os.O_RDWR)',
    '        for fd in range(3): os.dup2(null, fd)',
    '        os.environ.clear()',
    '        time.sleep(1000)',
    '    os._exit(0)',
    'os.wait()',
  ].join('\n');

  describe('processes', () => {
    test('in the background end with their phase', async () => {
      const given = aLaunch([
        aScript('one', 'sleep 1000 & setsid sleep 1000 & echo done'),
        aScript('two', 'true'),
      ]);
      await launch(harness().runner, given);
      expect(await awaitAll(harness().runner, given)).toEqual([EXITED_0, EXITED_0]);
      await expectNothingLeft(given.job.jobId);
    });

    test('that became daemons and ignore SIGTERM end with their phase', async () => {
      const given = aLaunch([
        aCommand('one', ['python3', '-c', daemon]),
        aCommand('two', ['true']),
      ]);
      await launch(harness().runner, given);
      expect(await awaitAll(harness().runner, given)).toEqual([EXITED_0, EXITED_0]);
      await expectNothingLeft(given.job.jobId);
    });
  });
}

export function describeStop(harness: () => RunnerHarness): void {
  describe('stop', () => {
    test('ends the phase and skips the others', async () => {
      const { runner } = harness();
      const given = aLaunch([
        aScript('one', 'true'),
        aScript('two', 'echo ready; sleep 1000'),
        aScript('three', 'true'),
      ]);
      const { jobId } = given.job;
      await launch(runner, given);
      await waitForOutput(runner, jobId, 'two', 'ready');
      await runner.stop(jobId, never);
      expect(await harness().countProcesses(jobId)).toBe(0);
      expect(await awaitAll(runner, given)).toEqual([EXITED_0, STOPPED, SKIPPED]);
      expect((await readLog(runner, jobId, 'two')).toString()).toContain('ready\n');
    });

    test('ends a phase that ignores SIGTERM, and its children', async () => {
      const { runner } = harness();
      const given = aLaunch([
        aScript('one', "trap '' TERM; sleep 1000 & setsid sleep 1000 & echo ready; wait; wait"),
      ]);
      const { jobId } = given.job;
      await launch(runner, given);
      await waitForOutput(runner, jobId, 'one', 'ready');
      await runner.stop(jobId, never);
      expect(await harness().countProcesses(jobId)).toBe(0);
      expect(await awaitAll(runner, given)).toEqual([STOPPED]);
    });

    test('lets a phase clean up', async () => {
      const { runner } = harness();
      const given = aLaunch([
        aScript('one', "trap 'echo cleaned; exit 0' TERM; echo ready; sleep 1000 & wait"),
      ]);
      const { jobId } = given.job;
      await launch(runner, given);
      await waitForOutput(runner, jobId, 'one', 'ready');
      await runner.stop(jobId, never);
      expect(await awaitAll(runner, given)).toEqual([STOPPED]);
      expect((await readLog(runner, jobId, 'one')).toString()).toContain('cleaned\n');
    });

    test('before the release lets nothing run, then or later', async () => {
      const { runner } = harness();
      const given = aLaunch([aScript('one', 'echo never'), aScript('two', 'echo never')]);
      const { jobId } = given.job;
      const incarnation = await runner.prepare(given, never);
      const waiting = runner.awaitPhase(jobId, 'one', never);
      await runner.stop(jobId, never);
      await runner.release(jobId, incarnation, never);
      expect(await waiting).toMatchObject({ kind: 'killed', reason: 'stopped' });
      expect(await awaitAll(runner, given)).toEqual([STOPPED, SKIPPED]);
      expect(await harness().countProcesses(jobId)).toBe(0);
      expect(await readLog(runner, jobId, 'one')).toHaveLength(0);
    });

    test('after the end, or of a job that does not exist, changes nothing', async () => {
      const { runner } = harness();
      const given = aLaunch([aScript('one', 'exit 2')]);
      await launch(runner, given);
      const results = await awaitAll(runner, given);
      await runner.stop(given.job.jobId, never);
      await runner.stop(given.job.jobId, never);
      expect(await awaitAll(runner, given)).toEqual(results);
      await runner.stop('cfs-absent-00000000', never);
    });
  });
}
