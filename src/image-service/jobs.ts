import { readNames } from '../runner/files.js';
import { isOver, type JobRecord } from './job-record.js';
import { removeTraces, removeWork, runJob, type JobDependencies } from './run-job.js';

/** The jobs that run here, each by itself. */
export interface Jobs {
  /** Recorded before it begins. */
  start(job: JobRecord): Promise<void>;
  /** Removes a job with all that it has made. False where there is no such job. May be repeated. */
  remove(id: string): Promise<boolean>;
  /** Takes over what another process has left, at its start. */
  resume(): Promise<void>;
  /** Ends none: their environments go on. */
  close(): Promise<void>;
}

export function createJobs(deps: JobDependencies): Jobs {
  const { place, logger } = deps;
  const running = new Map<string, { controller: AbortController; ended: Promise<void> }>();
  const launch = (job: JobRecord) => {
    const controller = new AbortController();
    const ended = runJob(deps, job, controller.signal)
      .catch((error: unknown) => logger.error({ err: error, job: job.id }, 'image job is stuck'))
      .finally(() => running.delete(job.id));
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
      // As it has become meanwhile.
      const job = await place.jobs.find(id);
      if (job === undefined) return false;
      await removeTraces(place, job);
      return place.jobs.remove(id);
    },

    async resume() {
      const live = (await place.jobs.list()).filter((job) => !isOver(job));
      for (const id of await readNames(place.work))
        if (!live.some((job) => job.id === id)) await removeWork(place, id);
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
