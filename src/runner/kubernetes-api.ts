import {
  BatchV1Api,
  CoreV1Api,
  Observable,
  PatchStrategy,
  setHeaderOptions,
  type ConfigurationOptions,
  type KubeConfig,
  type ObservableMiddleware,
  type V1Job,
  type V1JobList,
  type V1Pod,
  type V1PodList,
  type V1Secret,
} from '@kubernetes/client-node';
import { limitTime } from '../core/time-limit.js';
import type { Page } from './informer.js';
import { toKubernetesFault, toRefusal } from './kubernetes-faults.js';
import { openLogStream } from './kubernetes-log-stream.js';
import { createServerClock } from './server-clock.js';
import { DEPLOYMENT_LABEL, JOB_LABEL } from './pod-labels.js';

/** Limit of one request. Watches have their own. */
const REQUEST_MS = 30_000;
const PAGE = 250;
const MAX_EVENTS = 50;

/** Identifies the exact object. Another of the same name, or a later version, is refused with the fault `conflict`. */
export interface Precondition {
  readonly uid: string;
  readonly resourceVersion?: string;
}

export type KubernetesApi = ReturnType<typeof createKubernetesApi>;

/** The requests that jobs need, each with a time limit and with our faults. */
export function createKubernetesApi(config: KubeConfig, namespace: string, deploymentId: string) {
  const batch = config.makeApiClient(BatchV1Api);
  const core = config.makeApiClient(CoreV1Api);
  const ours = `${DEPLOYMENT_LABEL}=${deploymentId}`;
  const ofJob = (jobId: string) => `${ours},${JOB_LABEL}=${jobId}`;
  const clock = createServerClock();

  return {
    namespace,
    selector: ours,

    /** Milliseconds since 1970 by the clock of Kubernetes, as in its objects. This machine's clock may be hours off. */
    now: clock.now,

    findJob: (name: string, signal: AbortSignal) =>
      findOr(`read job ${name}`, signal, (options) =>
        batch.readNamespacedJob({ namespace, name }, options),
      ),

    createJob: (body: V1Job, signal: AbortSignal) =>
      ask(`create job ${body.metadata?.name}`, signal, (options) =>
        batch.createNamespacedJob({ namespace, body }, options),
      ),

    /** Applies a merge patch. Undefined if there is no such job. */
    patchJob: (name: string, body: object, signal: AbortSignal) =>
      findOr(`patch job ${name}`, signal, (options) =>
        batch.patchNamespacedJob({ namespace, name, body }, asMergePatch(options)),
      ),

    /** Removes the job and its pods. A job that is already gone is no fault. */
    deleteJob: (name: string, preconditions: Precondition, signal: AbortSignal) =>
      findOr(`delete job ${name}`, signal, (options) =>
        batch.deleteNamespacedJob(
          { namespace, name, body: { preconditions, propagationPolicy: 'Background' } },
          options,
        ),
      ),

    listJobs: (signal: AbortSignal, page: Page = {}) =>
      ask('list jobs', signal, (options): Promise<V1JobList> =>
        batch.listNamespacedJob({ namespace, labelSelector: ours, ...page }, options),
      ),

    listPods: (signal: AbortSignal, page: Page = {}) =>
      ask('list pods', signal, (options): Promise<V1PodList> =>
        core.listNamespacedPod({ namespace, labelSelector: ours, ...page }, options),
      ),

    async listPodsOf(jobId: string, signal: AbortSignal): Promise<readonly V1Pod[]> {
      const { items } = await ask('list pods', signal, (options) =>
        core.listNamespacedPod({ namespace, labelSelector: ofJob(jobId) }, options),
      );
      return items;
    },

    patchPod: (name: string, body: object, signal: AbortSignal) =>
      findOr(`patch pod ${name}`, signal, (options) =>
        core.patchNamespacedPod({ namespace, name, body }, asMergePatch(options)),
      ),

    deletePod: (name: string, preconditions: Precondition, signal: AbortSignal) =>
      findOr(`delete pod ${name}`, signal, (options) =>
        core.deleteNamespacedPod({ namespace, name, body: { preconditions } }, options),
      ),

    createSecret: (body: V1Secret, signal: AbortSignal) =>
      ask(`create secret ${body.metadata?.name}`, signal, (options) =>
        core.createNamespacedSecret({ namespace, body }, options),
      ),

    deleteSecretsOf: (jobId: string, signal: AbortSignal) =>
      ask('delete secrets', signal, (options) =>
        core.deleteCollectionNamespacedSecret({ namespace, labelSelector: ofJob(jobId) }, options),
      ),

    findConfigMap: (name: string, signal: AbortSignal) =>
      findOr(`read config map ${name}`, signal, (options) =>
        core.readNamespacedConfigMap({ namespace, name }, options),
      ),

    /** The warnings of Kubernetes about exactly this object, the last one first. */
    async listEvents(uid: string, signal: AbortSignal): Promise<readonly string[]> {
      const { items } = await ask('list events', signal, (options) =>
        core.listNamespacedEvent(
          { namespace, fieldSelector: `involvedObject.uid=${uid},type=Warning`, limit: MAX_EVENTS },
          options,
        ),
      );
      const at = (each: (typeof items)[number]) =>
        Number(each.lastTimestamp ?? each.eventTime ?? each.metadata.creationTimestamp ?? 0);
      return [...items].sort((a, b) => at(b) - at(a)).flatMap(({ message }) => message ?? []);
    },

    /** The bytes of a container's output; none if it did not start. Throws the fault `missing` if there is no such pod. */
    async *readLog(
      pod: string,
      container: string,
      signal: AbortSignal,
    ): AsyncGenerator<Uint8Array> {
      const path = `/api/v1/namespaces/${namespace}/pods/${pod}/log?container=${container}`;
      try {
        yield* await openLogStream(config, path, REQUEST_MS, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (toRefusal(error)?.code === 400) return;
        throw toKubernetesFault(`read the log of pod ${pod}`, error);
      }
    },
  };

  async function ask<T>(
    act: string,
    signal: AbortSignal,
    send: (options: ConfigurationOptions) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    try {
      return await send(until(limitTime(REQUEST_MS, signal), clock.hear));
    } catch (error) {
      signal.throwIfAborted();
      throw toKubernetesFault(act, error);
    }
  }

  async function findOr<T>(
    act: string,
    signal: AbortSignal,
    send: (options: ConfigurationOptions) => Promise<T>,
  ): Promise<T | undefined> {
    return ask(act, signal, (options) =>
      send(options).catch((error: unknown) => {
        if (toRefusal(error)?.code === 404) return undefined;
        throw error;
      }),
    );
  }
}

export async function* listAllJobs(api: KubernetesApi, signal: AbortSignal): AsyncGenerator<V1Job> {
  let next: string | undefined;
  do {
    const page = await api.listJobs(signal, {
      limit: PAGE,
      ...(next === undefined ? {} : { _continue: next }),
    });
    yield* page.items;
    next = page.metadata?._continue;
  } while (next !== undefined && next !== '');
}

export function until(
  signal: AbortSignal,
  onDate: (date: string | undefined) => void = () => undefined,
): ConfigurationOptions {
  const middleware: ObservableMiddleware = {
    pre(context) {
      context.setSignal(signal);
      return new Observable(Promise.resolve(context));
    },
    post(response) {
      onDate(response.headers['date']);
      return new Observable(Promise.resolve(response));
    },
  };
  return { middleware: [middleware], middlewareMergeStrategy: 'append' };
}

function asMergePatch(options: ConfigurationOptions): ConfigurationOptions {
  return setHeaderOptions('Content-Type', PatchStrategy.MergePatch, options);
}
