import { EventEmitter, once } from 'node:events';
import { readNames } from '../runner/files.js';
import { isRemoval } from '../runner/leftovers.js';
import { createClearing } from './clearing.js';
import { isOver, type JobRecord } from './job-record.js';
import { removeTraces, removeWork, runJob, type JobDependencies } from './run-job.js';

/** The customize jobs of this service, each of which runs in the background. */
export interface Jobs {
  /** Records the job, then starts it. */
  start(job: JobRecord): Promise<void>;
  /**
   * Returns the job once it has another status or a result, or unchanged once the signal aborts, which it must at some time.
   */
  findOther(id: string, status: string, signal: AbortSignal): Promise<JobRecord | undefined>;
  /** Removes a job and everything that it made. False if there is no such job. May be repeated. */
  remove(id: string): Promise<boolean>;
  /** Takes over the jobs of an earlier process. Called once, before anything else. */
  resume(): Promise<void>;
  /** Leaves the jobs as they are: their environments continue, and the next process takes them over. */
  close(): Promise<void>;
}

export function createJobs(given: Omit<JobDependencies, 'announce' | 'clear'>): Jobs {
  const { place, logger } = given;
  const changes = new EventEmitter().setMaxListeners(0);
  const clear = createClearing(place.work, logger);
  const deps = { ...given, clear, announce: (id: string) => void changes.emit(id) };
  const running = new Map<string, { controller: AbortController; ended: Promise<void> }>();
  const launch = (job: JobRecord) => {
    const controller = new AbortController();
    const ended = runJob(deps, job, controller.signal)
      .catch((error: unknown) => logger.error({ err: error, job: job.id }, 'image job is stuck'))
      .finally(() => {
        running.delete(job.id);
        // Not awaited, because removing a root of some gigabytes takes seconds.
        void clear();
      });
    running.set(job.id, { controller, ended });
  };
  const halt = async (id: string) => {
    const run = running.get(id);
    run?.controller.abort();
    await run?.ended;
  };
  return {
    async start(job) {
      await place.jobs.save(job);
      launch(job);
    },

    async remove(id) {
      await halt(id);
      // Read after the halt, because the run may change it until then.
      const job = await place.jobs.find(id);
      if (job === undefined) return false;
      await removeTraces(place, job);
      void clear();
      const isRemoved = await place.jobs.remove(id);
      deps.announce(id);
      return isRemoved;
    },

    async findOther(id, status, signal) {
      for (;;) {
        // Listens before it reads, so that no change is missed. The signal ends the wait.
        const change = once(changes, id, { signal }).catch(() => undefined);
        const job = await place.jobs.find(id);
        const isAsked = job?.status === status && job.resultantImageId === undefined;
        if (!isAsked || signal.aborted) return job;
        await change;
      }
    },

    async resume() {
      const live = (await place.jobs.list()).filter((job) => !isOver(job));
      const names = (await readNames(place.work)).filter((name) => !isRemoval(name));
      for (const id of names) if (!live.some((job) => job.id === id)) await removeWork(place, id);
      void clear();
      for (const job of live) {
        logger.info({ job: job.id, status: job.status }, 'image job is taken over');
        launch(job);
      }
    },

    async close() {
      await Promise.all([...running.keys()].map(halt));
    },
  };
}
