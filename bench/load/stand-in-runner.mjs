import { createHmac } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { ServiceError } from '#dist/core/errors.js';

/**
 * Simulates jobs: it starts nothing and keeps their state in this process. Each phase ends at once with 0, and playbooks
 * report that no play was for a host. With `holds` playbooks end only when the process gets SIGUSR2 or the job is stopped.
 * @param {{ holds: boolean }} options @returns {import('#dist/runner/local.js').LocalRunner}
 */
export function createStandInRunner({ holds }) {
  /** @typedef {{ incarnation: string, token: string, released: boolean, stop: () => void, stopped: Promise<'stopped'> }} PlayedJob */
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
    async prepare({ job: { jobId }, token }) {
      const known = jobs.get(jobId);
      if (known !== undefined) return known.incarnation;
      const { promise: stopped, resolve } = Promise.withResolvers();
      const incarnation = `played-${jobId}`;
      const stop = () => resolve('stopped');
      jobs.set(jobId, { incarnation, token, released: false, stop, stopped });
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
    async findResults(jobId, phase) {
      const job = jobs.get(jobId);
      return job && phase.startsWith('ansible-') ? signNoHosts(phase, job.token) : undefined;
    },
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

/** The report of job/report.py. @param {string} phase @param {string} token */
function signNoHosts(phase, token) {
  const report = JSON.stringify({ phase, records_state: true, whole: true, hosts: [] });
  const packed = gzipSync(report).toString('base64');
  return `${packed}:${createHmac('sha256', token).update(packed).digest('hex')}`;
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
