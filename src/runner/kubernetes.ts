import type { KubeConfig } from '@kubernetes/client-node';
import { createKubernetesApi, listAllJobs } from './kubernetes-api.js';
import { isOurs, toSummary } from './kubernetes-job.js';
import { discardJob, prepareJob, releaseJob } from './kubernetes-launch.js';
import { findPodResults, readPodLog } from './kubernetes-log.js';
import { awaitPhase } from './kubernetes-phase.js';
import { stopJob } from './kubernetes-stop.js';
import { openKubernetesWatch, type WatchLogger } from './kubernetes-watch.js';
import type { PodSurroundings } from './pod.js';
import type { Runner } from './runner.js';

export interface KubernetesRunnerOptions extends PodSurroundings {
  readonly config: KubeConfig;
  readonly jobSource: string;
  readonly jobTtlSeconds: number;
  readonly logger: WatchLogger;
}

export interface KubernetesRunner extends Runner {
  /** Milliseconds since the watch was last known to hear everything. */
  watchAge(): number;
  /** Ends every wait; the jobs continue. */
  close(): void;
}

/** Runs each job as a Kubernetes Job, with one container per phase. */
export function createKubernetesRunner(given: KubernetesRunnerOptions): KubernetesRunner {
  const { config, namespace, deploymentId, logger } = given;
  const api = createKubernetesApi(config, namespace, deploymentId);
  const watch = openKubernetesWatch(config, api, logger);
  const options = { ...given, api, watch };

  return {
    prepare: (launch, signal) => prepareJob(options, launch, signal),

    release: (jobId, incarnation, signal) => releaseJob(options, jobId, incarnation, signal),

    async discard(jobId, incarnation, signal) {
      if (await discardJob(options, jobId, incarnation, signal)) watch.forget(jobId, incarnation);
    },

    awaitPhase: (jobId, phase, signal, tell) =>
      awaitPhase({ ...options, ...(tell === undefined ? {} : { tell }) }, jobId, phase, signal),

    readLog: (jobId, phase, offset, signal) => readPodLog(options, jobId, phase, offset, signal),

    findResults: (jobId, phase, signal) => findPodResults(options, jobId, phase, signal),

    stop: (jobId, signal) => stopJob(options, jobId, signal),

    async remove(jobId, signal) {
      await stopJob(options, jobId, signal);
      const job = await api.findJob(jobId, signal);
      const uid = job?.metadata?.uid;
      if (job === undefined || uid === undefined || !isOurs(job, deploymentId)) return;
      await api.deleteJob(jobId, { uid }, signal);
      watch.forget(jobId, uid);
    },

    async find(jobId, signal) {
      const job = await api.findJob(jobId, signal);
      return job && isOurs(job, deploymentId) ? toSummary(job, watch.view(jobId)) : undefined;
    },

    async *list(signal) {
      for await (const job of listAllJobs(api, signal))
        yield toSummary(job, watch.view(job.metadata?.name ?? ''));
    },

    watchAge: () => watch.age(),

    close: () => watch.close(),
  };
}
