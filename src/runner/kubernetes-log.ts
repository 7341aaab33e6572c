import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { V1Pod } from '@kubernetes/client-node';
import { isServiceError, missing } from '../core/errors.js';
import type { KubernetesApi } from './kubernetes-api.js';
import { isFinished } from './kubernetes-job.js';
import type { KubernetesWatch } from './kubernetes-watch.js';
import { hasStarted, isOverdue } from './pod-phase.js';
import { toToldLog, toToldResults, type ToldLog } from './pod-record.js';
import type { LogGap } from './runner.js';

/** Size of the head and tail whose digests the phase reports. */
const MARK_BYTES = 1024;
const SETTLE_MS = 1000;
const SETTLE_TIMES = 5;

export interface LogOptions {
  readonly api: KubernetesApi;
  readonly watch: KubernetesWatch;
}

/**
 * Reads what the kubelet still has of a phase's output. The kubelet rotates files and serves only the last one, and a busy
 * container runtime may drop the end of the output. What the phase reported about its output reveals both, and they are
 * returned as gaps.
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
    // The node does not answer and is not waited for any longer.
    if (isServiceError(error) && error.fault === 'unavailable' && isOverdue(pod, api.now()))
      throw missing('Pod of job', jobId);
    throw error;
  }
}

/** The status of a pod outlasts its output: the node need not answer for it, and the watch keeps that of a deleted pod. */
export async function findPodResults(
  { api, watch }: LogOptions,
  jobId: string,
  phase: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const pod = watch.view(jobId).pod ?? (await api.listPodsOf(jobId, signal))[0];
  return pod && toToldResults(pod, phase);
}

async function* readKept(
  api: KubernetesApi,
  pod: V1Pod,
  phase: string,
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array | LogGap> {
  const name = pod.metadata?.name ?? '';
  const read = () => api.readLog(name, phase, signal);
  const told = toToldLog(pod, phase);
  const begin = told === undefined ? 0 : await findBegin(read, told, signal);
  if (begin > offset) yield { lostBytes: begin - offset, why: 'rotated' };
  let end = begin;
  for await (const bytes of read()) {
    const skip = Math.max(offset - end, 0);
    if (bytes.length > skip) yield bytes.subarray(skip);
    end += bytes.length;
  }
  const lost = (told?.bytes ?? 0) - Math.max(end, offset);
  if (lost > 0) yield { lostBytes: lost, why: 'cut' };
}

/**
 * The offset, in the whole output, of the first byte that is served. A runtime may still be writing when the kubelet reports
 * the end of a container, so output without its tail is read again until it stops growing. Output with neither its tail nor its
 * head counts as the tail, because nobody can tell.
 */
async function findBegin(
  read: () => AsyncIterable<Uint8Array>,
  told: ToldLog,
  signal: AbortSignal,
): Promise<number> {
  let served = await measure(read());
  const isShort = () => served.bytes < told.bytes && told.tail !== undefined;
  for (let idle = 0; isShort() && served.tail !== told.tail && idle < SETTLE_TIMES;) {
    await delay(SETTLE_MS, undefined, { signal });
    const next = await measure(read());
    idle = next.bytes > served.bytes ? 0 : idle + 1;
    served = next;
  }
  const isCut = isShort() && served.tail !== told.tail && served.head === told.head;
  return isCut ? 0 : Math.max(told.bytes - served.bytes, 0);
}

async function measure(output: AsyncIterable<Uint8Array>): Promise<Required<ToldLog>> {
  let bytes = 0;
  let head: Uint8Array = Buffer.alloc(0);
  let tail: Uint8Array = head;
  for await (const piece of output) {
    bytes += piece.length;
    if (head.length < MARK_BYTES) head = Buffer.concat([head, piece]).subarray(0, MARK_BYTES);
    tail = Buffer.concat([tail, piece.subarray(-MARK_BYTES)]).subarray(-MARK_BYTES);
  }
  return { bytes, head: digest(head), tail: digest(tail) };
}

/** Computed as in job/directory.py. */
function digest(mark: Uint8Array): string {
  return createHash('sha256').update(mark).digest('hex').slice(0, 16);
}

/** The job's last known pod. Undefined if it never had one. Throws the fault `missing` if it is gone with its output. */
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
