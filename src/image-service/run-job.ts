import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive } from '../runner/process-identity.js';
import { readDiskSpace } from '../process/disk-space.js';
import type { Logger } from '../process/logger.js';
import { awaitQuiet, closeEnvironment, PortTaken } from './environment.js';
import { exposeRoot, fetchRoot } from './exposure.js';
import { readFlag, waitForFlag } from './flags.js';
import type { JobRecord, SshAddress } from './job-record.js';
import { packageRoot, removeResult } from './packaging.js';
import type { Place } from './place.js';
import { toTime } from './records.js';
import type { ImageTools } from './tools.js';
import type { Turns } from '../process/turns.js';
import { putAside, toWorkDirectory, workPaths, type WorkPaths } from './work.js';

const PORTS = 5;
const SAVE_MILLISECONDS = 2000;
const FULL_BYTES = 1024 * 1024;

export interface JobDependencies {
  readonly place: Place;
  readonly tools: ImageTools;
  /** Limits unpacking and packing, each of which uses all processors and much memory. */
  readonly turns: Turns;
  readonly maxAgeSeconds: number;
  readonly choosePort: () => Promise<SshAddress>;
  readonly clock: () => string;
  /** Removes what jobs have put aside; never fails. */
  readonly clear: () => Promise<void>;
  /** Called after each change of a job's record. */
  readonly announce: (jobId: string) => void;
  readonly logger: Logger;
}

/**
 * Runs a job to its end from its present state, leaving only its record and, if it succeeds, a new image. If aborted it leaves
 * everything as it is: the environment continues, and a later run goes on from there.
 */
export async function runJob(
  deps: JobDependencies,
  job: JobRecord,
  signal: AbortSignal,
): Promise<void> {
  const { maxAgeSeconds, logger } = deps;
  const age =
    maxAgeSeconds === 0 ? undefined : AbortSignal.timeout(toMillisecondsLeft(job, maxAgeSeconds));
  const run = createRun(deps, job);
  try {
    await proceed(run, age === undefined ? signal : AbortSignal.any([signal, age]));
    logger.info({ job: job.id, image: job.resultId }, 'image job succeeded');
  } catch (error) {
    if (signal.aborted) return;
    const message =
      age?.aborted === true
        ? `The job did not end within ${maxAgeSeconds} s.`
        : await toMessage(error, deps.place);
    // The record already names the image, so the image exists and only removing the work directory has failed.
    const isMade = run.job().resultantImageId !== undefined;
    const what = isMade ? 'image job succeeded, but left something behind' : 'image job failed';
    logger.warn({ job: job.id, why: message }, what);
    await end(run, isMade ? { status: 'success' } : { status: 'error', message }, signal);
  }
}

/** Milliseconds until the job is too old. If the clock was set back, at most what a new job has, because timers are limited. */
function toMillisecondsLeft({ created }: JobRecord, maxAgeSeconds: number): number {
  const most = maxAgeSeconds * 1000;
  return Math.min(most, Math.max(0, toTime(created) + most - Date.now()));
}

/**
 * Removes everything that a job made and that was never announced. Its record stays, and its files are only put aside, for
 * `clear` to remove.
 */
export async function removeTraces(place: Place, job: JobRecord): Promise<void> {
  await removeWork(place, job.id);
  if (job.resultantImageId === undefined) await removeResult(place, job);
}

export async function removeWork(place: Place, jobId: string): Promise<void> {
  await closeEnvironment(jobId);
  await putAside(place, jobId);
}

interface Run extends JobDependencies {
  readonly work: WorkPaths;
  readonly job: () => JobRecord;
  readonly save: (change: Partial<JobRecord>) => Promise<void>;
}

/** Holds the job's record in memory: nobody else writes the record of a running job. */
function createRun(deps: JobDependencies, given: JobRecord): Run {
  let job = given;
  return {
    ...deps,
    work: workPaths(toWorkDirectory(deps.place, given.id)),
    job: () => job,
    async save(change) {
      const next = { ...job, ...change };
      await deps.place.jobs.save(next);
      job = next;
      deps.announce(job.id);
      deps.logger.debug({ job: job.id, status: job.status }, 'image job goes on');
    },
  };
}

async function proceed(run: Run, signal: AbortSignal): Promise<void> {
  const { status } = run.job();
  if (status === 'creating' || status === 'fetching_image') await expose(run, signal);
  if (run.job().status === 'waiting_on_user') await attend(run, signal);
  await pack(run, signal);
}

/** Starts over, however far an earlier run got. */
async function expose(run: Run, signal: AbortSignal): Promise<void> {
  const { place, tools, work, turns, clear } = run;
  await closeEnvironment(run.job().id);
  await turns.take(async () => {
    await run.save({ status: 'fetching_image' });
    // The root of an earlier job may still fill the disk.
    await orAborted(clear(), signal);
    signal.throwIfAborted();
    await fetchRoot(tools, place, run.job(), work, signal);
  }, signal);
  for (let left = PORTS; ; left -= 1) {
    try {
      const environment = await exposeRoot(tools, run.job(), work, signal);
      await run.save({ status: 'waiting_on_user', environment });
      return;
    } catch (error) {
      if (!(error instanceof PortTaken) || left === 1) throw error;
      await run.save({ address: await run.choosePort() });
    }
  }
}

/** Waits until the user sets a flag, then closes the environment. */
async function attend(run: Run, signal: AbortSignal): Promise<void> {
  const { id, environment } = run.job();
  const { root } = run.work;
  const seen = await waitForFlag(
    root,
    () => environment !== undefined && isAlive(environment),
    signal,
  );
  if (seen === undefined) throw new Error('The environment of the image has ended by itself.');
  await awaitQuiet(id, signal);
  await closeEnvironment(id);
  // Read again, because the user could change the flag until the environment was closed.
  if ((await readFlag(root)) !== 'complete')
    throw new Error('The user of the image has said that the job failed.');
  await run.save({ status: 'packaging_artifacts' });
}

async function pack(run: Run, signal: AbortSignal): Promise<void> {
  const { place, tools, work, turns, clock } = run;
  const job = run.job();
  if (job.resultantImageId === undefined) {
    await turns.take(async () => {
      await closeEnvironment(job.id);
      await packageRoot(tools, { place, created: clock() }, job, work, signal);
    }, signal);
    await run.save({ resultantImageId: job.resultId });
  }
  await putAside(place, job.id);
  await run.save({ status: 'success' });
}

/**
 * Retries until it succeeds or somebody deletes the job. The files are removed before the record is written, so that a full
 * disk has room for it.
 */
async function end(run: Run, change: Partial<JobRecord>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await removeTraces(run.place, run.job());
      await orAborted(run.clear(), signal);
      await run.save(change);
      return;
    } catch (error) {
      run.logger.error({ err: error, job: run.job().id }, 'an image job cannot be ended');
      await delay(SAVE_MILLISECONDS, undefined, { signal }).catch(() => undefined);
    }
  }
}

async function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  // A listener left on a combined signal would keep that in memory until the job's maximum age.
  const over = new AbortController();
  const aborted = once(signal, 'abort', { signal: over.signal });
  await Promise.race([work, aborted]).finally(() => over.abort());
}

/** Adds that the disk is full, because programs do not always say so. */
async function toMessage(error: unknown, { work }: Place): Promise<string> {
  const message = error instanceof Error ? error.message : String(error);
  // A disk whose space cannot be read, such as a lost network mount, must not keep the job from ending.
  const space = await readDiskSpace(work).catch(() => undefined);
  const isFull = space !== undefined && space.availableBytes <= FULL_BYTES;
  return isFull ? `${message} (the disk of ${work} is full)` : message;
}
