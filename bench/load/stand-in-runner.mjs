import { ServiceError } from '#dist/core/errors.js';

/**
 * Simulates jobs: it starts nothing and keeps their state in this process. Each phase ends at once with 0. With `holds`
 * playbooks end only when the process gets SIGUSR2 or the job is stopped.
 * @param {{ holds: boolean }} options @returns {import('#dist/runner/local.js').LocalRunner}
 */
export function createStandInRunner({ holds }) {
  /** @typedef {{ incarnation: string, released: boolean, stop: () => void, stopped: Promise<'stopped'> }} PlayedJob */
  /** @type {Map<string, PlayedJob>} */
  const jobs = new Map();
  const opened = Promise.withResolvers();
  process.on('SIGUSR2', () => opened.resolve('exited'));
  const requireJob = (/** @type {string} */ jobId) => {
    const job = jobs.get(jobId);
    if (job === undefined) throw new ServiceError('missing', `Job ${jobId} is not there.`);
    return job;
  };
  return {
    async prepare({ job: { jobId } }) {
      const known = jobs.get(jobId);
      if (known !== undefined) return known.incarnation;
      const { promise: stopped, resolve } = Promise.withResolvers();
      const incarnation = `played-${jobId}`;
      jobs.set(jobId, { incarnation, released: false, stop: () => resolve('stopped'), stopped });
      return incarnation;
    },
    async release(jobId) {
      requireJob(jobId).released = true;
    },
    async discard(jobId) {
      jobs.delete(jobId);
    },
    async awaitPhase(jobId, phase, signal) {
      const startedAt = new Date().toISOString();
      const job = jobs.get(jobId);
      if (job === undefined) return { kind: 'killed', reason: 'lost' };
      const end =
        holds && phase.startsWith('ansible-')
          ? await Promise.race([opened.promise, job.stopped, abortion(signal)])
          : 'exited';
      const times = { startedAt, endedAt: new Date().toISOString() };
      return end === 'stopped'
        ? { kind: 'killed', reason: 'stopped', ...times }
        : { kind: 'exited', exitCode: 0, ...times };
    },
    async *readLog() {},
    findResults: () => Promise.resolve(undefined),
    async stop(jobId) {
      jobs.get(jobId)?.stop();
    },
    async remove(jobId) {
      jobs.get(jobId)?.stop();
      jobs.delete(jobId);
    },
    async find(jobId) {
      const job = jobs.get(jobId);
      return job && summarize(jobId, job);
    },
    async *list() {
      for (const [jobId, job] of jobs) yield summarize(jobId, job);
    },
    async removeLeftovers() {},
    close() {},
  };
}

/** @param {string} jobId @param {{ incarnation: string, released: boolean }} job */
const summarize = (jobId, { incarnation, released }) =>
  /** @type {const} */ ({ jobId, incarnation, state: released ? 'running' : 'prepared' });

/** @param {AbortSignal} signal @returns {Promise<never>} */
function abortion(signal) {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
