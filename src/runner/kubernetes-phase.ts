import type { V1Job, V1Pod } from '@kubernetes/client-node';
import { WORTH_TELLING_MS } from '../core/waiting.js';
import { missing } from '../core/errors.js';
import type { PhaseResult } from '../core/job.js';
import type { KubernetesApi } from './kubernetes-api.js';
import {
  isFinished,
  isOurs,
  isPastDeadline,
  isStopped,
  isSuspended,
  toPendingSeconds,
  toPhaseNames,
  toReleasedAt,
  toSuccess,
} from './kubernetes-job.js';
import type { JobView, KubernetesWatch, Look } from './kubernetes-watch.js';
import type { Obstacle } from './obstacle.js';
import { toStoppedResult } from './phase-record.js';
import { meshAnnotations } from './pod.js';
import {
  findSidecar,
  hasBegun,
  NEXT_STEPS,
  toPatience,
  toPodPhase,
  type PodPhase,
} from './pod-phase.js';

export interface PhaseOptions {
  readonly api: KubernetesApi;
  readonly watch: KubernetesWatch;
  readonly deploymentId: string;
  /** Called with what keeps the phase from starting, and with undefined once it runs. */
  readonly tell?: (what: string | undefined) => void;
}

type PhaseLook = Look<PhaseResult>;

const LOST: PhaseResult = { kind: 'killed', reason: 'lost' };
/** The watch is about to report a change. */
const SOON: PhaseLook = { kind: 'wait', milliseconds: 1000 };
/** Timers are limited. */
const MAX_WAIT_MS = 3_600_000;

export async function awaitPhase(
  options: PhaseOptions,
  jobId: string,
  phase: string,
  signal: AbortSignal,
): Promise<PhaseResult> {
  const { watch, api, deploymentId } = options;
  return watch.until<PhaseResult>(jobId, signal, async (view) => {
    const job = view.job ?? (await api.findJob(jobId, signal));
    if (job === undefined || !isOurs(job, deploymentId)) return found(LOST);
    if (!toPhaseNames(job).includes(phase)) throw missing('Phase', `${phase} of ${jobId}`);
    // The Job is so new that the watch has not heard of it yet.
    if (view.job === undefined) return SOON;
    return lookAtPhase(options, { ...view, job }, phase, signal);
  });
}

async function lookAtPhase(
  options: PhaseOptions,
  { job, pod, podIsGone }: JobView & { readonly job: V1Job },
  phase: string,
  signal: AbortSignal,
): Promise<PhaseLook> {
  const phases = toPhaseNames(job);
  if (isStopped(job) && (pod === undefined || (podIsGone && !hasBegun(pod))))
    return found(toStoppedResult(phases, phase));
  if (pod !== undefined) return lookAtPod(options, job, { pod, podIsGone }, phase, signal);
  if (isFinished(job)) {
    // The watch of pods may lag behind that of jobs.
    const late = await findPod(options, job, signal);
    if (late === undefined) return found(toEndWithoutPod(job));
    return lookAtPod(options, job, { pod: late, podIsGone: false }, phase, signal);
  }
  if (isSuspended(job)) return { kind: 'wait' };
  const pending: PodPhase = { kind: 'pending', since: toReleasedAt(job) };
  return waitForStart(options, job, undefined, pending, signal);
}

function toEndWithoutPod(job: V1Job): PhaseResult {
  return toSuccess(job) ?? (isPastDeadline(job) ? { kind: 'killed', reason: 'timeout' } : LOST);
}

async function lookAtPod(
  options: PhaseOptions,
  job: V1Job,
  { pod, podIsGone }: { readonly pod: V1Pod; readonly podIsGone: boolean },
  phase: string,
  signal: AbortSignal,
): Promise<PhaseLook> {
  const phases = toPhaseNames(job);
  const state = toPodPhase(pod, phases, phase, podIsGone);
  const isDeleted = podIsGone || pod.metadata?.deletionTimestamp !== undefined;
  const sidecar = findSidecar(pod, phases);
  if (sidecar !== undefined && state.kind !== 'ended') return found(toSidecarResult(sidecar));
  switch (state.kind) {
    case 'ended':
      return found(isDeleted ? await settle(options, job, state.result, signal) : state.result);
    case 'running':
      options.tell?.(undefined);
      return waitForEnd(options, job, pod, signal);
    case 'pending':
      return waitForStart(options, job, pod, state, signal);
  }
}

/**
 * What the Job knows of a pod that was deleted. The watch may have missed the pod's last minutes, and what the Job says of
 * them, so it is read.
 */
async function settle(
  { api }: PhaseOptions,
  { metadata }: V1Job,
  seen: PhaseResult,
  signal: AbortSignal,
): Promise<PhaseResult> {
  if (seen.kind !== 'killed' || (seen.reason !== 'lost' && seen.reason !== 'stopped')) return seen;
  const now = await api.findJob(metadata?.name ?? '', signal);
  if (now === undefined || now.metadata?.uid !== metadata?.uid) return seen;
  if (isPastDeadline(now)) return { ...seen, reason: 'timeout' };
  return (seen.reason === 'lost' ? toSuccess(now) : undefined) ?? seen;
}

async function waitForEnd(
  options: PhaseOptions,
  job: V1Job,
  pod: V1Pod,
  signal: AbortSignal,
): Promise<PhaseLook> {
  const left = toPatience(pod, options.api.now());
  if (left === undefined) return { kind: 'wait' };
  if (left > 0) return wait(left);
  return (await isCurrent(options, job, pod, signal)) ? found(LOST) : SOON;
}

async function waitForStart(
  options: PhaseOptions,
  job: V1Job,
  pod: V1Pod | undefined,
  { since, obstacle }: Extract<PodPhase, { kind: 'pending' }>,
  signal: AbortSignal,
): Promise<PhaseLook> {
  const limit = toPendingSeconds(job);
  const age = options.api.now() - Date.parse(since);
  const untilTold = obstacle === undefined ? 0 : WORTH_TELLING_MS - age;
  if (obstacle !== undefined && untilTold <= 0)
    options.tell?.(
      `${obstacle.message} (pod_pending_time_limit: ${limit === 0 ? 'none' : `${limit} s`})`,
    );
  const left = limit === 0 ? Number.POSITIVE_INFINITY : limit * 1000 - age;
  if (left > 0) return wait(untilTold > 0 ? Math.min(left, untilTold) : left);
  if (!(await isCurrent(options, job, pod, signal))) return SOON;
  const { uid = '' } = (pod ?? job).metadata ?? {};
  const known = obstacle ?? toObstacle(await options.api.listEvents(uid, signal));
  return found({ kind: 'unstarted', reason: known.reason, message: advise(known, limit) });
}

/** Puts the advice before Kubernetes' own words, which may be long and are cut. */
function advise({ reason, message }: Obstacle, limit: number): string {
  const within = `it did not within ${limit} s (pod_pending_time_limit). ${NEXT_STEPS[reason]}`;
  return message === '' ? within.replace(/: $/, '') : `${within}${message}`;
}

/** Whether the watch is up to date. Checked before a time limit alone decides, because the watch may have been broken. */
async function isCurrent(
  options: PhaseOptions,
  job: V1Job,
  pod: V1Pod | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const now = await findPod(options, job, signal);
  return now?.metadata?.resourceVersion === pod?.metadata?.resourceVersion;
}

function toObstacle([last]: readonly string[]): Obstacle {
  if (last === undefined) return { reason: 'unschedulable', message: '' };
  return { reason: /exceeded quota/.test(last) ? 'unschedulable' : 'config', message: last };
}

function toSidecarResult(name: string): PhaseResult {
  const annotations = Object.entries(meshAnnotations.off).map(([key, value]) => `${key}: ${value}`);
  return {
    kind: 'unstarted',
    reason: 'unschedulable',
    message: `container ${name} was injected into the pod, which would then never end; have the injector honour ${annotations.join(' or ')}, or use native sidecars`,
  };
}

async function findPod(
  { api }: PhaseOptions,
  { metadata }: V1Job,
  signal: AbortSignal,
): Promise<V1Pod | undefined> {
  const pods = await api.listPodsOf(metadata?.name ?? '', signal);
  return pods.find((pod) =>
    pod.metadata?.ownerReferences?.some(({ uid }) => uid === metadata?.uid),
  );
}

function found(value: PhaseResult): PhaseLook {
  return { kind: 'found', value };
}

function wait(milliseconds: number): PhaseLook {
  if (milliseconds === Number.POSITIVE_INFINITY) return { kind: 'wait' };
  return { kind: 'wait', milliseconds: Math.min(milliseconds, MAX_WAIT_MS) };
}
