import { randomBytes } from 'node:crypto';
import { expect } from '@jest/globals';
import type { Job, Phase, PhaseResult } from '../../src/core/job.js';
import type { Incarnation, JobSummary, Launch, Runner } from '../../src/runner/runner.js';
import { waitFor } from '../support/wait.js';

export interface RunnerHarness {
  readonly runner: Runner;
  /** Counts the processes of the job, wherever they are. */
  countProcesses(jobId: string): Promise<number>;
  /** Bytes of output that the platform keeps of a phase. Absent: all. */
  readonly keptOutputBytes?: number;
  close(): Promise<void>;
}

export interface RunnerSurroundings {
  /** Base URL of the routes for jobs. Absent: jobs deliver nothing. */
  readonly apiUrl?: string;
}

export type CreateRunner = (surroundings: RunnerSurroundings) => Promise<RunnerHarness>;

/** A signal that never aborts. */
export const never = new AbortController().signal;

export const EXITED_0 = expect.objectContaining({ kind: 'exited', exitCode: 0 });
export const STOPPED = expect.objectContaining({ kind: 'killed', reason: 'stopped' });
export const LOST = expect.objectContaining({ kind: 'killed', reason: 'lost' });
export const SKIPPED = expect.objectContaining({ kind: 'unstarted', reason: 'skipped' });

/** A phase of the kind `command`, which exists for tests. */
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
      graceSeconds: 1,
      reportWaitSeconds: 1,
      podPendingSeconds: 60,
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
  for await (const chunk of runner.readLog(jobId, phase, offset, never))
    if (!('lostBytes' in chunk)) chunks.push(chunk);
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

/** The results of all phases, in order. */
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
