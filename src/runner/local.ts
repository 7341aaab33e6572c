import { createReadStream } from 'node:fs';
import { join, resolve } from 'node:path';
import { missing, ServiceError } from '../core/errors.js';
import { exists, isAbsent, makeDirectory, mark, readNames, readText, readTime } from './files.js';
import {
  checkFileName,
  jobPaths,
  readSupervisor,
  isFileName,
  removeDirectory,
  type JobPaths,
} from './job-directory.js';
import { stopJob, waitForPhase } from './job-end.js';
import { buildJobDirectory, isIncarnation, type PreparationOptions } from './job-preparation.js';
import { createJobWatch } from './job-watch.js';
import { removeLeftovers } from './leftovers.js';
import { isAlive } from './process-identity.js';
import type { Incarnation, JobSummary, Launch, Runner } from './runner.js';
import { startSupervisor, type SupervisorOptions } from './supervisor.js';

const LOG_CHUNK_BYTES = 256 * 1024;

export interface LocalRunnerOptions extends PreparationOptions, SupervisorOptions {
  /** How long a stopped job may take after its grace time to deliver its last reports. Default 15. */
  readonly graceSlackSeconds?: number;
  /**
   * A launch returns only once a supervisor has recorded itself. If that record is missing for this long, the machine lost
   * power before it was on the disk. Default 60.
   */
  readonly startSeconds?: number;
}

export interface LocalRunner extends Runner {
  /** Removes what interrupted preparations and removals left behind. */
  removeLeftovers(signal: AbortSignal): Promise<void>;
  /** Ends every wait; the jobs continue. */
  close(): void;
}

/** Runs jobs as detached processes on this machine, each with a directory. */
export function createLocalRunner(given: LocalRunnerOptions): LocalRunner {
  const options = {
    ...given,
    jobsDirectory: resolve(given.jobsDirectory),
    ...(given.gitCache && {
      gitCache: { ...given.gitCache, directory: resolve(given.gitCache.directory) },
    }),
  };
  const { jobsDirectory, graceSlackSeconds = 15, startSeconds = 60 } = options;
  const watch = createJobWatch();
  const pathsOf = (jobId: string) => jobPaths(join(jobsDirectory, checkFileName('Job', jobId)));

  return {
    async prepare(launch, signal) {
      return prepareJob(options, pathsOf(launch.job.jobId), launch, signal);
    },

    async release(jobId, incarnation, signal) {
      const paths = pathsOf(jobId);
      if ((await readText(paths.incarnation)) !== incarnation) throw missing('Job', jobId);
      if ((await exists(paths.stopped)) || (await exists(paths.supervisor))) return;
      await mark(paths.released);
      await startSupervisor(options, jobId, paths, signal);
    },

    async discard(jobId, incarnation) {
      const paths = pathsOf(jobId);
      if ((await readText(paths.incarnation)) !== incarnation) return;
      if (await exists(paths.released)) return;
      await removeDirectory(jobsDirectory, paths.directory);
    },

    async awaitPhase(jobId, phase, signal) {
      checkFileName('Phase', phase);
      return waitForPhase(watch, jobId, pathsOf(jobId), phase, { startSeconds, signal });
    },

    async *readLog(jobId, phase, offset, signal) {
      const paths = pathsOf(jobId);
      yield* readFrom(paths.log(checkFileName('Phase', phase)), offset, signal);
      // Checked last: a job that was removed meanwhile may have had more output.
      if (!(await exists(paths.incarnation))) throw missing('Job', jobId);
    },

    async findResults(jobId, phase) {
      return readText(pathsOf(jobId).signedResults(checkFileName('Phase', phase)));
    },

    async stop(jobId, signal) {
      await stopJob(jobId, pathsOf(jobId), graceSlackSeconds, signal);
    },

    async remove(jobId, signal) {
      const paths = pathsOf(jobId);
      await stopJob(jobId, paths, graceSlackSeconds, signal);
      await removeDirectory(jobsDirectory, paths.directory);
    },

    async find(jobId, signal) {
      signal.throwIfAborted();
      return summarize(jobId, pathsOf(jobId));
    },

    async *list(signal) {
      for (const name of await readNames(jobsDirectory)) {
        signal.throwIfAborted();
        // Skips files that are not ours, such as `lost+found`.
        const summary = isFileName(name) ? await summarize(name, pathsOf(name)) : undefined;
        if (summary !== undefined) yield summary;
      }
    },

    removeLeftovers: (signal) => removeLeftovers(jobsDirectory, signal),

    close: () => watch.close(),
  };
}

async function prepareJob(
  options: PreparationOptions,
  paths: JobPaths,
  launch: Launch,
  signal: AbortSignal,
): Promise<Incarnation> {
  await makeDirectory(options.jobsDirectory);
  for (;;) {
    signal.throwIfAborted();
    const present = await findPrepared(paths);
    if (present !== undefined) return present;
    const built = await buildJobDirectory(options, launch, paths);
    if (built !== undefined) return built;
    // Another call may have come first.
    if ((await findPrepared(paths)) === undefined) await removeRemains(options, paths);
  }
}

async function findPrepared(paths: JobPaths): Promise<Incarnation | undefined> {
  const text = await readText(paths.incarnation);
  return text !== undefined && isIncarnation(text) ? text : undefined;
}

/**
 * Removes a directory that is not a whole one: the machine lost power before the content was on the disk, or somebody removed
 * a part. Refuses to if its job may have run.
 */
async function removeRemains(
  { jobsDirectory }: PreparationOptions,
  { directory, released }: JobPaths,
): Promise<void> {
  if (!(await exists(released))) return removeDirectory(jobsDirectory, directory);
  throw new ServiceError(
    'unavailable',
    `${directory} has lost the file incarnation, and its job may have run.`,
    { reason: 'INTERNAL' },
  );
}

async function* readFrom(
  path: string,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  signal.throwIfAborted();
  const stream = createReadStream(path, { start: offset, highWaterMark: LOG_CHUNK_BYTES });
  const abort = () => stream.destroy(signal.reason as Error);
  signal.addEventListener('abort', abort);
  try {
    yield* stream as AsyncIterable<Uint8Array>;
  } catch (error) {
    if (!isAbsent(error)) throw error;
  } finally {
    signal.removeEventListener('abort', abort);
    stream.destroy();
  }
}

/** Undefined if the job was removed meanwhile. */
async function summarize(jobId: string, paths: JobPaths): Promise<JobSummary | undefined> {
  const incarnation = await readText(paths.incarnation);
  if (incarnation === undefined) return undefined;
  const state = await readState(paths);
  const endedAt = state === 'ended' ? await readTime(paths.ended) : undefined;
  return { jobId, incarnation, state, ...(endedAt === undefined ? {} : { endedAt }) };
}

/** A job that is released but has no supervisor is just being started. */
async function readState(paths: JobPaths): Promise<JobSummary['state']> {
  const supervisor = await readSupervisor(paths);
  if (supervisor !== undefined) return isAlive(supervisor) ? 'running' : 'ended';
  if (await exists(paths.stopped)) return 'ended';
  return (await exists(paths.released)) ? 'running' : 'prepared';
}
