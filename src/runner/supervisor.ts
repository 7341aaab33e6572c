import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { missing, ServiceError } from '../core/errors.js';
import { exists, readText } from './files.js';
import type { JobPaths } from './job-directory.js';

const START_SECONDS = 30;
const POLL_MILLISECONDS = 20;

export interface SupervisorOptions {
  readonly python: string;
  readonly jobSource: string;
  /** PATH of the job; default: the worker's. The job gets nothing else of the worker's environment. */
  readonly path?: string;
}

/**
 * Starts the supervisor in its own session, so that it outlives the worker, and waits until it has recorded itself. A second
 * supervisor finds the record of the first and exits.
 */
export async function startSupervisor(
  { python, jobSource, path = process.env['PATH'] }: SupervisorOptions,
  jobId: string,
  paths: JobPaths,
  signal: AbortSignal,
): Promise<void> {
  const output = openSync(paths.supervisorLog, 'a', 0o600);
  const child = spawn(python, ['-m', 'job', 'all', '--directory', paths.directory], {
    cwd: jobSource,
    detached: true,
    stdio: ['ignore', output, output],
    env: { PATH: path, LANG: 'C.UTF-8', KEELSON_JOB: jobId },
  });
  closeSync(output);
  child.unref();
  await waitForMark(child, jobId, paths, signal);
}

async function waitForMark(
  child: ChildProcess,
  jobId: string,
  paths: JobPaths,
  signal: AbortSignal,
): Promise<void> {
  let failure: string | undefined;
  child.once('error', ({ message }) => (failure = message));
  child.once('exit', (code, killed) => {
    if (code !== 0) failure = `it ended with ${killed ?? `exit code ${code}`}`;
  });
  const deadline = performance.now() + START_SECONDS * 1000;
  while (!(await exists(paths.supervisor)) && !(await exists(paths.stopped))) {
    if (!(await exists(paths.directory))) throw missing('Job', jobId);
    if (performance.now() > deadline) failure ??= `no sign of it within ${START_SECONDS} s`;
    if (failure !== undefined) throw await startFailure(jobId, paths, failure);
    await delay(POLL_MILLISECONDS, undefined, { signal });
  }
}

async function startFailure(
  jobId: string,
  { supervisorLog }: JobPaths,
  failure: string,
): Promise<ServiceError> {
  const lastLine = (await readText(supervisorLog))?.trimEnd().split('\n').at(-1) ?? '';
  const told = lastLine === '' ? '' : ` (${lastLine})`;
  return new ServiceError('unavailable', `The supervisor of ${jobId}: ${failure}${told}.`, {
    reason: 'INTERNAL',
  });
}
