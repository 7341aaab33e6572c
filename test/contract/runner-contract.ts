import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Job, Phase, PhaseResult } from '../../src/core/job.js';
import type { Incarnation, JobSummary, Launch, Runner } from '../../src/runner/runner.js';
import { startJobApi, type JobApi } from '../runner/job-api.js';
import { waitFor } from '../support/wait.js';

export interface RunnerHarness {
  readonly runner: Runner;
  /** How many processes of the job there are, wherever they hide. */
  countProcesses(jobId: string): Promise<number>;
  close(): Promise<void>;
}

export interface RunnerSurroundings {
  /** Base of the routes for jobs; absent: jobs deliver nothing. */
  readonly apiUrl?: string;
}

export type CreateRunner = (surroundings: RunnerSurroundings) => Promise<RunnerHarness>;

const never = new AbortController().signal;
const EXITED_0 = expect.objectContaining({ kind: 'exited', exitCode: 0 });
const SKIPPED = expect.objectContaining({ kind: 'unstarted', reason: 'skipped' });

/** A phase of the kind that exists for tests: any command. */
export function aCommand(name: string, argv: readonly string[], timeoutSeconds = 0): Phase {
  return { name, kind: 'command', argv, timeoutSeconds } as unknown as Phase;
}

export function aScript(name: string, script: string, timeoutSeconds = 0): Phase {
  return aCommand(name, ['sh', '-c', script], timeoutSeconds);
}

export function aLaunch(phases: readonly Phase[], job: Partial<Job> = {}): Launch {
  return {
    job: {
      jobId: `cfs-test-${randomBytes(4).toString('hex')}`,
      sessionName: 'test',
      configurationName: 'none',
      inventoryType: 'spec',
      phases,
      debugOnFailure: false,
      graceSeconds: 1,
      reportWaitSeconds: 1,
      ...job,
    },
    files: {},
    token: 'token-of-the-test',
  };
}

/** Prepares and releases. */
export async function launch(runner: Runner, given: Launch): Promise<Incarnation> {
  const incarnation = await runner.prepare(given, never);
  await runner.release(given.job.jobId, incarnation, never);
  return incarnation;
}

export async function readLog(
  runner: Runner,
  jobId: string,
  phase: string,
  offset = 0,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of runner.readLog(jobId, phase, offset, never)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export async function waitForOutput(
  runner: Runner,
  jobId: string,
  phase: string,
  text: string,
): Promise<void> {
  await waitFor(async () => (await readLog(runner, jobId, phase)).includes(text), {
    what: `"${text}" in the output of ${phase}`,
  });
}

/** The results of all phases, in their order. */
export async function awaitAll(runner: Runner, { job }: Launch): Promise<readonly PhaseResult[]> {
  const results: PhaseResult[] = [];
  for (const { name } of job.phases) results.push(await runner.awaitPhase(job.jobId, name, never));
  return results;
}

export async function listJobs(runner: Runner): Promise<readonly JobSummary[]> {
  const jobs: JobSummary[] = [];
  for await (const job of runner.list(never)) jobs.push(job);
  return jobs;
}

/** What every runner promises (src/runner/runner.ts). */
export function runnerContract(name: string, create: CreateRunner): void {
  describe(`${name} runner`, () => {
    let harness: RunnerHarness;
    let runner: Runner;
    beforeAll(async () => {
      harness = await create({});
      runner = harness.runner;
    });
    afterAll(() => harness.close());

    describePhases(() => runner);
    describeOutput(() => runner);
    describeProcesses(() => harness);
    describeStop(() => harness);
    describeLaunch(() => runner);
    describeDelivery(create);
  });
}

function describePhases(runner: () => Runner): void {
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

    test('tell when they began and ended', async () => {
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

    test('of a job that is not there are lost', async () => {
      expect(await runner().awaitPhase('cfs-absent-00000000', 'one', never)).toEqual({
        kind: 'killed',
        reason: 'lost',
      });
    });
  });
}

function describeOutput(runner: () => Runner): void {
  describe('output', () => {
    test('of 200 MB is kept byte for byte', async () => {
      const size = 200 * 1024 * 1024;
      const given = aLaunch([aScript('one', `yes 0123456789abcde | head -c ${size}`)]);
      await launch(runner(), given);
      expect(await awaitAll(runner(), given)).toEqual([EXITED_0]);
      const seen = createHash('sha256');
      let bytes = 0;
      for await (const chunk of runner().readLog(given.job.jobId, 'one', 0, never)) {
        seen.update(chunk);
        bytes += chunk.length;
      }
      const block = Buffer.from('0123456789abcde\n'.repeat(65_536));
      const expected = createHash('sha256');
      for (let written = 0; written < size; written += block.length) expected.update(block);
      expect(bytes).toBe(size);
      expect(seen.digest('hex')).toBe(expected.digest('hex'));
      await runner().remove(given.job.jobId, never);
    }, 60_000);

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

    test('is read from an offset, and from beyond its end', async () => {
      const given = aLaunch([aScript('one', 'printf 0123456789')]);
      await launch(runner(), given);
      await awaitAll(runner(), given);
      const { jobId } = given.job;
      expect((await readLog(runner(), jobId, 'one', 7)).toString()).toBe('789');
      expect(await readLog(runner(), jobId, 'one', 10)).toHaveLength(0);
      expect(await readLog(runner(), jobId, 'one', 99)).toHaveLength(0);
      expect(await readLog(runner(), 'cfs-absent-00000000', 'one')).toHaveLength(0);
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

function describeProcesses(harness: () => RunnerHarness): void {
  const expectNothingLeft = async (jobId: string) => {
    await waitFor(async () => (await harness().countProcesses(jobId)) === 0, {
      what: `the end of every process of ${jobId}`,
    });
  };
  /** Leaves the process group, the session and its parent, as SSH's ControlPersist master does. */
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

function describeStop(harness: () => RunnerHarness): void {
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
      expect(await awaitAll(runner, given)).toEqual([
        EXITED_0,
        expect.objectContaining({ kind: 'killed', reason: 'stopped' }),
        SKIPPED,
      ]);
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
      expect(await awaitAll(runner, given)).toEqual([
        expect.objectContaining({ kind: 'killed', reason: 'stopped' }),
      ]);
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
      expect(await awaitAll(runner, given)).toEqual([
        expect.objectContaining({ kind: 'killed', reason: 'stopped' }),
      ]);
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
      expect(await awaitAll(runner, given)).toEqual([
        expect.objectContaining({ kind: 'killed', reason: 'stopped' }),
        SKIPPED,
      ]);
      expect(await harness().countProcesses(jobId)).toBe(0);
      expect(await readLog(runner, jobId, 'one')).toHaveLength(0);
    });

    test('after the end, and of a job that is not there, changes nothing', async () => {
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

function describeLaunch(runner: () => Runner): void {
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

    test('is removed wholly, and twice', async () => {
      const given = aLaunch([aScript('one', 'echo ready; sleep 1000')]);
      const { jobId } = given.job;
      await launch(runner(), given);
      await waitForOutput(runner(), jobId, 'one', 'ready');
      await runner().remove(jobId, never);
      await runner().remove(jobId, never);
      expect((await listJobs(runner())).map((job) => job.jobId)).not.toContain(jobId);
      expect(await readLog(runner(), jobId, 'one')).toHaveLength(0);
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
    });

    test('ends a wait when its signal says so, with the reason of the signal', async () => {
      const given = aLaunch([aScript('one', 'true')]);
      await runner().prepare(given, never);
      const controller = new AbortController();
      const waiting = runner().awaitPhase(given.job.jobId, 'one', controller.signal);
      controller.abort(new Error('enough'));
      await expect(waiting).rejects.toThrow('enough');
    });
  });
}

function describeDelivery(create: CreateRunner): void {
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
      await withApi(async (api, { runner }) => {
        const given = aLaunch([aScript('one', 'seq 1 200000; exit 5')]);
        const { jobId } = given.job;
        await launch(runner, given);
        await awaitAll(runner, given);
        const log = await readLog(runner, jobId, 'one');
        const delivered = api.phase(jobId, 'one');
        expect(delivered.log.equals(log)).toBe(true);
        expect(delivered.state).toMatchObject({
          state: 'ended',
          exit_code: 5,
          log_bytes: log.length,
        });
      });
    });

    test('is not needed: the API away, the job runs and its output stays', async () => {
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

    test('goes on where it was when the API comes back', async () => {
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
