import type { V1Pod } from '@kubernetes/client-node';
import { isServiceError, missing } from '../core/errors.js';
import type { KubernetesApi } from './kubernetes-api.js';
import { isFinished } from './kubernetes-job.js';
import type { KubernetesWatch } from './kubernetes-watch.js';
import { hasStarted, isOverdue, toLogBytes } from './pod-phase.js';
import type { LogGap } from './runner.js';

export interface LogOptions {
  readonly api: KubernetesApi;
  readonly watch: KubernetesWatch;
}

/**
 * What the kubelet still has of a phase's output. It begins a new file when one is full and serves the last alone, so where
 * the phase has told how long its output was, what is served is the end of it, and what lacks before that is a gap.
 */
export async function* readPodLog(
  { api, watch }: LogOptions,
  jobId: string,
  phase: string,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array | LogGap> {
  const pod = await findPod({ api, watch }, jobId, signal);
  if (pod === undefined || !hasStarted(pod, phase)) return;
  try {
    yield* readKept(api, pod, phase, offset, signal);
  } catch (error) {
    // Its node does not answer, and is not waited for any more.
    if (isServiceError(error) && error.fault === 'unavailable' && isOverdue(pod, api.now()))
      throw missing('Pod of job', jobId);
    throw error;
  }
}

async function* readKept(
  api: KubernetesApi,
  pod: V1Pod,
  phase: string,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array | LogGap> {
  const name = pod.metadata?.name ?? '';
  const begin = await findBegin(api, pod, phase, signal);
  if (begin > offset) yield { lostBytes: begin - offset };
  let skip = Math.max(offset - begin, 0);
  for await (const bytes of api.readLog(name, phase, signal)) {
    if (bytes.length > skip) yield bytes.subarray(skip);
    skip = Math.max(skip - bytes.length, 0);
  }
}

/** The offset, in the whole output, of the first byte that the kubelet still has. */
async function findBegin(
  api: KubernetesApi,
  pod: V1Pod,
  phase: string,
  signal: AbortSignal,
): Promise<number> {
  const total = toLogBytes(pod, phase);
  if (total === undefined) return 0;
  let served = 0;
  for await (const { length } of api.readLog(pod.metadata?.name ?? '', phase, signal))
    served += length;
  return Math.max(total - served, 0);
}

/** The last pod of the job that was seen; undefined where it never had one. Gone, with all that it said: fault `missing`. */
async function findPod(
  { api, watch }: LogOptions,
  jobId: string,
  signal: AbortSignal,
): Promise<V1Pod | undefined> {
  const { job, pod, podIsGone } = watch.view(jobId);
  if (podIsGone) throw missing('Pod of job', jobId);
  if (pod !== undefined) return pod;
  const present = job ?? (await api.findJob(jobId, signal));
  if (present === undefined) throw missing('Job', jobId);
  const [only] = await api.listPodsOf(jobId, signal);
  if (only === undefined && isFinished(present)) throw missing('Pod of job', jobId);
  return only;
}
