import { decideJobFate, type JobFate } from '../core/job-fate.js';
import { omitUndefined } from '../core/omit-undefined.js';
import type { Session } from '../core/session.js';
import type { LocalRunner } from '../runner/local.js';
import type { JobSummary, Runner } from '../runner/runner.js';
import type { Store } from '../store/store.js';
import type { Logger } from './logger.js';
import { startPresence } from './presence.js';
import { startRepetition } from './repetition.js';

export interface RetentionOptions {
  readonly runner: Pick<Runner, 'list' | 'remove' | 'stop'> &
    Partial<Pick<LocalRunner, 'removeLeftovers'>>;
  readonly store: Store;
  readonly logger: Logger;
  /** The time by the clock that all processes share. */
  readonly now: () => string;
  readonly retentionSeconds: number;
  /** Absent if jobs do not belong to a machine; then every worker looks after all of them. */
  readonly machine?: string;
}

const MAX_INTERVAL_MS = 30_000;
/** What is done before the start resolves: a worker that polls must find its jobs on the record. */
const URGENT: ReadonlySet<JobFate> = new Set(['adopt', 'stop']);
const EVERY: ReadonlySet<JobFate> = new Set([...URGENT, 'remove']);
/** Number of jobs whose sessions are read together. */
const BATCH = 100;
/** A job reports its end as its last act. Its session may be over by then, so a job gets this long before it is stopped. */
const ABANDON_MS = 120_000;

/**
 * Looks after this machine's jobs, or those that any worker can reach. It takes over jobs whose launch a restored record lacks,
 * stops jobs whose session is over, removes them once the retention time has passed, and removes what unfinished removals and
 * preparations left. What is urgent is begun before it resolves; removals, which may take minutes if there are many, follow at
 * once, and then all of it is repeated by timer. A job may take its whole grace period to stop; only `close` waits for that.
 */
export async function startRetention(options: RetentionOptions) {
  const abort = new AbortController();
  const known: Known = { unrecorded: new Set(), stopping: new Map() };
  const presence = await startPresence(options);
  const intervalMs = Math.min(MAX_INTERVAL_MS, Math.max(1000, options.retentionSeconds * 1000));
  await keepJobs(options, known, URGENT, abort.signal);
  const sweeping = startRepetition(() => sweepOnce(options, known, abort.signal), intervalMs);
  return {
    /** Resolves when all jobs have been looked after once. */
    swept: sweeping.first,
    async close() {
      abort.abort();
      await sweeping.close();
      await Promise.all(known.stopping.values());
      await presence.close();
    },
  };
}

interface Known {
  /** Jobs without a record, each logged once. */
  readonly unrecorded: Set<string>;
  readonly stopping: Map<string, Promise<void>>;
}

async function sweepOnce(
  options: RetentionOptions,
  known: Known,
  signal: AbortSignal,
): Promise<void> {
  await keepJobs(options, known, EVERY, signal);
  try {
    await options.runner.removeLeftovers?.(signal);
  } catch (error) {
    warn(options, signal, error, 'leftovers in the job directory could not be removed');
  }
}

/** Looks after every job, as far as its fate is one of `fates`. A job that fails does not hold back the others. */
async function keepJobs(
  options: RetentionOptions,
  known: Known,
  fates: ReadonlySet<JobFate>,
  signal: AbortSignal,
): Promise<void> {
  const { runner, store } = options;
  try {
    for await (const jobs of toBatches(runner.list(signal))) {
      const sessions = await Promise.all(jobs.map(({ jobId }) => store.sessions.get(jobId)));
      for (const [index, job] of jobs.entries())
        await keepJob(options, { job, session: sessions[index], fates }, known, signal).catch(
          (error: unknown) =>
            warn(options, signal, error, 'a job could not be looked after', { job: job.jobId }),
        );
    }
  } catch (error) {
    warn(options, signal, error, 'jobs could not be listed');
  }
}

/** Logs a failure, unless the retention is being closed. */
function warn(
  { logger }: RetentionOptions,
  { aborted }: AbortSignal,
  error: unknown,
  message: string,
  about: object = {},
): void {
  if (!aborted) logger.warn({ err: error, ...about }, message);
}

async function* toBatches<T>(items: AsyncIterable<T>): AsyncGenerator<readonly T[]> {
  let batch: T[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

interface Kept {
  readonly job: JobSummary;
  readonly session: Session | undefined;
  /** What may be done now. */
  readonly fates: ReadonlySet<JobFate>;
}

async function keepJob(
  options: RetentionOptions,
  { job, session, fates }: Kept,
  { unrecorded, stopping }: Known,
  signal: AbortSignal,
): Promise<void> {
  const { runner, store, logger, now, retentionSeconds, machine } = options;
  const { jobId, incarnation, state } = job;
  if (stopping.has(jobId)) return;
  if (session === undefined && state === 'running' && !unrecorded.has(jobId)) {
    unrecorded.add(jobId);
    logger.warn({ jobId }, 'a job without a record runs here; it is left to finish');
  }
  // The end of a job without a record is known by the clock of its machine only.
  const at = session === undefined ? new Date().toISOString() : now();
  // A very long retention would lead to a time that is no valid date.
  const before = (ms: number) => new Date(Math.max(0, Date.parse(at) - ms)).toISOString();
  const fate = decideJobFate(job, session, {
    expiry: before(retentionSeconds * 1000),
    abandon: before(ABANDON_MS),
  });
  // What is to be removed and still runs is stopped first; a later sweep removes it.
  const act = fate === 'remove' && state === 'running' ? 'stop' : fate;
  if (!fates.has(act)) return;
  logger.info({ session: session?.name, jobId, state, act }, 'job looked after');
  if (act === 'stop') beginStop(options, jobId, stopping, signal);
  if (act === 'remove') await runner.remove(jobId, signal);
  if (act === 'adopt')
    await store.sessions.recordAttach(jobId, {
      at,
      incarnation,
      ...omitUndefined({ machine }),
    });
}

function beginStop(
  { runner, logger }: RetentionOptions,
  jobId: string,
  stopping: Map<string, Promise<void>>,
  signal: AbortSignal,
): void {
  const ended = runner
    .stop(jobId, signal)
    .catch((error: unknown) => {
      if (!signal.aborted) logger.warn({ err: error, job: jobId }, 'a job could not be stopped');
    })
    .finally(() => stopping.delete(jobId));
  stopping.set(jobId, ended);
}
