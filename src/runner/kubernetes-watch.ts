import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { KubeConfig, V1Job, V1Pod } from '@kubernetes/client-node';
import { openInformer } from './informer.js';
import type { KubernetesApi } from './kubernetes-api.js';
import { JOB_LABEL } from './pod-labels.js';

/** The last known state of a job. */
export interface JobView {
  readonly job?: V1Job;
  readonly pod?: V1Pod;
  /** The pod was deleted; `pod` is the last that was seen of it. */
  readonly podIsGone: boolean;
}

/** What a look at a job returns: a value, or a request to wait for a change, at most for this long. */
export type Look<T> =
  | { readonly kind: 'found'; readonly value: T }
  | { readonly kind: 'wait'; readonly milliseconds?: number };

export interface KubernetesWatch {
  view(jobId: string): JobView;
  /** Looks at once and after every change of the job or its pod, until a look returns a value. */
  until<T>(
    jobId: string,
    signal: AbortSignal,
    look: (view: JobView) => Promise<Look<T>>,
  ): Promise<T>;
  /** Treats a job that we have deleted as gone, although its deletion has not been reported yet. */
  forget(jobId: string, uid: string): void;
  /** Milliseconds since the watch was last known to hear everything. */
  age(): number;
  close(): void;
}

export interface WatchLogger {
  warn(fields: object, message: string): void;
}

/** Opens one watch for all jobs of the deployment and one for all their pods. */
export function openKubernetesWatch(
  config: KubeConfig,
  api: KubernetesApi,
  logger: WatchLogger,
): KubernetesWatch {
  const jobs = new Map<string, V1Job>();
  const pods = new Map<string, { readonly pod: V1Pod; readonly isGone: boolean }>();
  const forgotten = new Set<string>();
  const changes = new EventEmitter().setMaxListeners(0);
  const closing = new AbortController();
  const onBreak = (what: string) => (error: unknown) =>
    logger.warn({ err: error }, `the watch of ${what} broke; it is restarted`);

  const jobInformer = openInformer<V1Job>({
    config,
    path: `/apis/batch/v1/namespaces/${api.namespace}/jobs`,
    selector: api.selector,
    list: api.listJobs,
    onChange(job) {
      const name = job.metadata?.name ?? '';
      if (forgotten.has(job.metadata?.uid ?? '')) return;
      jobs.set(name, job);
      changes.emit(name);
    },
    onDelete(job) {
      const name = job.metadata?.name ?? '';
      forgotten.delete(job.metadata?.uid ?? '');
      if (jobs.get(name)?.metadata?.uid === job.metadata?.uid) jobs.delete(name);
      if (pods.get(name)?.isGone === true) pods.delete(name);
      changes.emit(name);
    },
    onBreak: onBreak('jobs'),
  });
  const podInformer = openInformer<V1Pod>({
    config,
    path: `/api/v1/namespaces/${api.namespace}/pods`,
    selector: api.selector,
    list: api.listPods,
    onChange(pod) {
      const jobId = toJobIdOf(pod);
      pods.set(jobId, { pod, isGone: false });
      changes.emit(jobId);
    },
    onDelete(pod) {
      const jobId = toJobIdOf(pod);
      const known = pods.get(jobId);
      if (known?.pod.metadata?.uid === pod.metadata?.uid) {
        if (jobs.has(jobId)) pods.set(jobId, { pod, isGone: true });
        else pods.delete(jobId);
      }
      changes.emit(jobId);
    },
    onBreak: onBreak('pods'),
  });
  const synced = Promise.all([jobInformer.synced, podInformer.synced]);

  const view = (jobId: string): JobView => {
    const job = jobs.get(jobId);
    const told = job === undefined ? {} : { job };
    const known = pods.get(jobId);
    // The pod of an earlier job with this name says nothing about this one.
    const owners = known?.pod.metadata?.ownerReferences ?? [];
    if (known === undefined || !owners.some(({ uid }) => uid === job?.metadata?.uid))
      return { ...told, podIsGone: false };
    return { ...told, pod: known.pod, podIsGone: known.isGone };
  };

  return {
    view,
    async until(jobId, given, look) {
      const signal = AbortSignal.any([given, closing.signal]);
      signal.throwIfAborted();
      await abortable(synced, signal);
      for (;;) {
        const awaking = new AbortController();
        const stop = AbortSignal.any([signal, awaking.signal]);
        const change = once(changes, jobId, { signal: stop });
        change.catch(() => undefined);
        try {
          const found = await look(view(jobId));
          if (found.kind === 'found') return found.value;
          const { milliseconds } = found;
          const pause =
            milliseconds === undefined ? [] : [delay(milliseconds, undefined, { signal: stop })];
          await Promise.race([change, ...pause]);
        } catch (error) {
          signal.throwIfAborted();
          throw error;
        } finally {
          awaking.abort();
        }
      }
    },
    forget(jobId, uid) {
      // Its deletion was already reported, so nothing would ever remove it from the set.
      if (jobs.get(jobId)?.metadata?.uid !== uid) return;
      forgotten.add(uid);
      jobs.delete(jobId);
      changes.emit(jobId);
    },
    age: () => performance.now() - Math.min(jobInformer.heardAt(), podInformer.heardAt()),
    close() {
      closing.abort(new Error('The watch was closed.'));
      jobInformer.close();
      podInformer.close();
    },
  };
}

function toJobIdOf({ metadata }: V1Pod): string {
  return metadata?.labels?.[JOB_LABEL] ?? '';
}

async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason as Error);
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
