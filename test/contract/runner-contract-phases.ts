import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { Runner } from '../../src/runner/runner.js';
import {
  aCommand,
  aLaunch,
  aScript,
  awaitAll,
  launch,
  never,
  readLog,
  EXITED_0,
  SKIPPED,
  type RunnerHarness,
} from './runner-jobs.js';

export function describePhases(runner: () => Runner): void {
  describe('phases', () => {
    test('run in order over one workspace', async () => {
      const given = aLaunch([
        aScript('one', 'echo first >> trace'),
        aScript('two', 'echo second >> trace'),
        aScript('three', 'cat trace'),
      ]);
      await launch(runner(), given);
      expect(await awaitAll(runner(), given)).toEqual([EXITED_0, EXITED_0, EXITED_0]);
      const output = await readLog(runner(), given.job.jobId, 'three');
      expect(output.toString()).toBe('first\nsecond\n');
    });

    test('stop at the first failure', async () => {
      const given = aLaunch([
        aScript('one', 'echo here'),
        aScript('two', 'exit 3'),
        aScript('three', 'echo never'),
        aScript('four', 'echo never'),
      ]);
      await launch(runner(), given);
      expect(await awaitAll(runner(), given)).toEqual([
        EXITED_0,
        expect.objectContaining({ kind: 'exited', exitCode: 3 }),
        SKIPPED,
        SKIPPED,
      ]);
      expect(await readLog(runner(), given.job.jobId, 'three')).toHaveLength(0);
    });

    test('report when they began and ended', async () => {
      const before = new Date().toISOString();
      const given = aLaunch([aScript('one', 'true')]);
      await launch(runner(), given);
      const [result] = await awaitAll(runner(), given);
      const after = new Date().toISOString();
      if (result?.kind !== 'exited') throw new Error(`unexpected ${result?.kind}`);
      const times = [before, result.startedAt, result.endedAt, after];
      expect(times).toEqual([...times].sort());
    });

    test.each([0, 1, 2, 70, 127, 250, 255])('report exit code %i', async (code) => {
      const given = aLaunch([aScript('one', `exit ${code}`)]);
      await launch(runner(), given);
      expect(await awaitAll(runner(), given)).toEqual([
        expect.objectContaining({ kind: 'exited', exitCode: code }),
      ]);
    });

    test('end at their time limit, even when they ignore SIGTERM', async () => {
      const given = aLaunch([
        aScript('one', "trap '' TERM; echo ready; while :; do sleep 0.1; done", 1),
        aScript('two', 'true'),
      ]);
      await launch(runner(), given);
      expect(await awaitAll(runner(), given)).toEqual([
        expect.objectContaining({ kind: 'killed', reason: 'timeout' }),
        SKIPPED,
      ]);
    });

    test('that the job does not have are missing', async () => {
      const given = aLaunch([aScript('one', 'true')]);
      await runner().prepare(given, never);
      await expect(runner().awaitPhase(given.job.jobId, 'two', never)).rejects.toMatchObject({
        fault: 'missing',
      });
    });

    test('of a job that does not exist are lost', async () => {
      expect(await runner().awaitPhase('cfs-absent-00000000', 'one', never)).toEqual({
        kind: 'killed',
        reason: 'lost',
      });
    });
  });
}

export function describeOutput(harness: () => RunnerHarness): void {
  const runner = () => harness().runner;
  describe('output', () => {
    test('of 200 MB, or as much as the platform keeps, is kept byte for byte', async () => {
      const size = harness().keptOutputBytes ?? 200 * 1024 * 1024;
      const given = aLaunch([aScript('one', `yes 0123456789abcde | head -c ${size}`)]);
      await launch(runner(), given);
      expect(await awaitAll(runner(), given)).toEqual([EXITED_0]);
      const seen = createHash('sha256');
      let bytes = 0;
      for await (const chunk of runner().readLog(given.job.jobId, 'one', 0, never)) {
        if ('lostBytes' in chunk) throw new Error(`${chunk.lostBytes} bytes were lost`);
        seen.update(chunk);
        bytes += chunk.length;
      }
      const block = Buffer.from('0123456789abcde\n'.repeat(65_536));
      const expected = createHash('sha256');
      for (let written = 0; written < size; written += block.length) expected.update(block);
      expect(bytes).toBe(size);
      expect(seen.digest('hex')).toBe(expected.digest('hex'));
      await runner().remove(given.job.jobId, never);
    });

    test('without a final newline is kept as it is', async () => {
      const given = aLaunch([aScript('one', 'printf "no newline"')]);
      await launch(runner(), given);
      await awaitAll(runner(), given);
      const output = await readLog(runner(), given.job.jobId, 'one');
      expect(output.toString()).toBe('no newline');
    });

    test('may be binary', async () => {
      const given = aLaunch([
        aCommand('one', [
          'python3',
          '-c',
          'import sys; sys.stdout.buffer.write(bytes(range(256)) * 1000)',
        ]),
      ]);
      await launch(runner(), given);
      await awaitAll(runner(), given);
      const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      const expected = Buffer.concat(Array.from({ length: 1000 }, () => every));
      const output = await readLog(runner(), given.job.jobId, 'one');
      expect(output.equals(expected)).toBe(true);
    });

    test('can be read from an offset, even beyond its end', async () => {
      const given = aLaunch([aScript('one', 'printf 0123456789')]);
      await launch(runner(), given);
      await awaitAll(runner(), given);
      const { jobId } = given.job;
      expect((await readLog(runner(), jobId, 'one', 7)).toString()).toBe('789');
      expect(await readLog(runner(), jobId, 'one', 10)).toHaveLength(0);
      expect(await readLog(runner(), jobId, 'one', 99)).toHaveLength(0);
      await expect(readLog(runner(), 'cfs-absent-00000000', 'one')).rejects.toMatchObject({
        fault: 'missing',
      });
    });

    test('that looks like a report is output like any other', async () => {
      const forged = `keelson-report:${Buffer.from('{}').toString('base64')}:${'0'.repeat(64)}`;
      const given = aLaunch([aScript('one', `echo ${forged}; exit 4`)]);
      await launch(runner(), given);
      expect(await awaitAll(runner(), given)).toEqual([
        expect.objectContaining({ kind: 'exited', exitCode: 4 }),
      ]);
      const output = await readLog(runner(), given.job.jobId, 'one');
      expect(output.toString()).toContain(`${forged}\n`);
    });
  });
}
