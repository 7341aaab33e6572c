import { describe, expect, test } from '@jest/globals';
import type { Runner } from '../../src/runner/runner.js';
import { startJobApi, type JobApi } from '../runner/job-api.js';
import {
  aLaunch,
  aScript,
  awaitAll,
  launch,
  listJobs,
  never,
  readLog,
  waitForOutput,
  EXITED_0,
  SKIPPED,
  type RunnerHarness,
  type CreateRunner,
} from './runner-jobs.js';

export function describeLaunch(runner: () => Runner): void {
  describe('launch', () => {
    test('prepares once, however often it is asked', async () => {
      const given = aLaunch([aScript('one', 'true')]);
      const first = runner().prepare(given, never);
      const second = runner().prepare(given, never);
      const third = await runner().prepare(given, never);
      expect([await first, await second]).toEqual([third, third]);
    });

    test('runs once, however often it is released', async () => {
      const given = aLaunch([aScript('one', 'echo once')]);
      const { jobId } = given.job;
      const incarnation = await runner().prepare(given, never);
      await Promise.all([
        runner().release(jobId, incarnation, never),
        runner().release(jobId, incarnation, never),
      ]);
      expect(await awaitAll(runner(), given)).toEqual([EXITED_0]);
      await runner().release(jobId, incarnation, never);
      expect((await readLog(runner(), jobId, 'one')).toString()).toBe('once\n');
    });

    test('releases no other incarnation', async () => {
      const given = aLaunch([aScript('one', 'true')]);
      const { jobId } = given.job;
      const incarnation = await runner().prepare(given, never);
      await expect(runner().release(jobId, 'another', never)).rejects.toMatchObject({
        fault: 'missing',
      });
      await expect(
        runner().release('cfs-absent-00000000', incarnation, never),
      ).rejects.toMatchObject({ fault: 'missing' });
      const found = (await listJobs(runner())).find((job) => job.jobId === jobId);
      expect(found).toMatchObject({ incarnation, state: 'prepared' });
    });

    test('discards what was prepared, and nothing else', async () => {
      const given = aLaunch([aScript('one', 'true')]);
      const { jobId } = given.job;
      const incarnation = await runner().prepare(given, never);
      await runner().discard(jobId, 'another', never);
      expect((await listJobs(runner())).map((job) => job.jobId)).toContain(jobId);
      await runner().discard(jobId, incarnation, never);
      await runner().discard(jobId, incarnation, never);
      expect((await listJobs(runner())).map((job) => job.jobId)).not.toContain(jobId);

      const again = await launch(runner(), given);
      expect(again).not.toBe(incarnation);
      await runner().discard(jobId, again, never);
      expect(await awaitAll(runner(), given)).toEqual([EXITED_0]);
    });

    test('is removed completely, even twice', async () => {
      const given = aLaunch([aScript('one', 'echo ready; sleep 1000')]);
      const { jobId } = given.job;
      await launch(runner(), given);
      await waitForOutput(runner(), jobId, 'one', 'ready');
      await runner().remove(jobId, never);
      await runner().remove(jobId, never);
      expect((await listJobs(runner())).map((job) => job.jobId)).not.toContain(jobId);
      await expect(readLog(runner(), jobId, 'one')).rejects.toMatchObject({ fault: 'missing' });
      expect(await awaitAll(runner(), given)).toEqual([{ kind: 'killed', reason: 'lost' }]);
    });

    test('is listed with its state', async () => {
      const given = aLaunch([aScript('one', 'echo ready; read never < pipe || sleep 1000')]);
      const { jobId } = given.job;
      const state = async () =>
        (await listJobs(runner())).find((job) => job.jobId === jobId)?.state;
      const incarnation = await runner().prepare(given, never);
      expect(await state()).toBe('prepared');
      await runner().release(jobId, incarnation, never);
      await waitForOutput(runner(), jobId, 'one', 'ready');
      expect(await state()).toBe('running');
      await runner().stop(jobId, never);
      expect(await state()).toBe('ended');
      const found = await runner().find(jobId, never);
      expect(found).toMatchObject({ jobId, incarnation, state: 'ended' });
      expect(Date.parse(found?.endedAt ?? '')).toBeLessThanOrEqual(Date.now() + 1000);
      expect(await runner().find('cfs-absent-00000000', never)).toBeUndefined();
    });

    test('ends a wait when its signal aborts, with the reason of the signal', async () => {
      const given = aLaunch([aScript('one', 'true')]);
      await runner().prepare(given, never);
      const controller = new AbortController();
      const waiting = runner().awaitPhase(given.job.jobId, 'one', controller.signal);
      controller.abort(new Error('enough'));
      await expect(waiting).rejects.toThrow('enough');
    });
  });
}

export function describeDelivery(create: CreateRunner): void {
  const withApi = async (act: (api: JobApi, harness: RunnerHarness) => Promise<void>) => {
    const api = await startJobApi();
    const harness = await create({ apiUrl: api.url });
    try {
      await act(api, harness);
    } finally {
      await harness.close();
      await api.close();
    }
  };

  describe('delivery', () => {
    test('brings every byte to the API, and how the phase ended', async () => {
      await withApi(async (api, { runner, keptOutputBytes }) => {
        const given = aLaunch([aScript('one', 'seq 1 200000; exit 5')]);
        const { jobId } = given.job;
        await launch(runner, given);
        await awaitAll(runner, given);
        const whole = Buffer.from(Array.from({ length: 200_000 }, (_, i) => `${i + 1}\n`).join(''));
        const delivered = api.phase(jobId, 'one');
        expect(delivered.log.equals(whole)).toBe(true);
        expect(delivered.state).toMatchObject({
          state: 'ended',
          exit_code: 5,
          log_bytes: whole.length,
        });
        // A container runtime may drop the end of an output. Then the gap is reported, and the rest is in its place.
        let end = 0;
        let lost = 0;
        for await (const piece of runner.readLog(jobId, 'one', 0, never)) {
          if ('lostBytes' in piece) lost += piece.lostBytes;
          else expect(whole.subarray(end, end + piece.length).equals(piece)).toBe(true);
          end += 'lostBytes' in piece ? piece.lostBytes : piece.length;
        }
        expect(end).toBe(whole.length);
        if (keptOutputBytes === undefined) expect(lost).toBe(0);
      });
    });

    test('is not needed: while the API is away, the job runs and its output is kept', async () => {
      await withApi(async (api, { runner }) => {
        await api.pause();
        const given = aLaunch([aScript('one', 'echo heard; exit 6'), aScript('two', 'true')]);
        await launch(runner, given);
        expect(await awaitAll(runner, given)).toEqual([
          expect.objectContaining({ kind: 'exited', exitCode: 6 }),
          SKIPPED,
        ]);
        const log = await readLog(runner, given.job.jobId, 'one');
        expect(log.toString()).toMatch(/^heard\n/);
      });
    });

    test('continues where it was when the API is back', async () => {
      await withApi(async (api, { runner }) => {
        await api.pause();
        const given = aLaunch([aScript('one', 'seq 1 100000; echo ready')], {
          reportWaitSeconds: 30,
        });
        const { jobId } = given.job;
        await launch(runner, given);
        await waitForOutput(runner, jobId, 'one', 'ready');
        await api.resume();
        expect(await awaitAll(runner, given)).toEqual([EXITED_0]);
        const log = await readLog(runner, jobId, 'one');
        expect(log.toString()).toMatch(/ready\n$/);
        expect(api.phase(jobId, 'one').log.equals(log)).toBe(true);
      });
    });
  });
}
