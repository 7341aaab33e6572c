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

/** What a look is about. */
interface Subject extends PhaseOptions {
  readonly job: V1Job;
  /** Of the job, in order. */
  readonly phases: readonly string[];
  readonly phase: string;
  readonly signal: AbortSignal;
}

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
    const phases = toPhaseNames(job);
    if (!phases.includes(phase)) throw missing('Phase', `${phase} of ${jobId}`);
    // The Job is so new that the watch has not heard of it yet.
    if (view.job === undefined) return SOON;
    return lookAtJob({ ...options, job, phases, phase, signal }, view);
  });
}

async function lookAtJob(subject: Subject, { pod, podIsGone }: JobView): Promise<PhaseLook> {
  const { job, phases, phase } = subject;
  if (isStopped(job) && (pod === undefined || (podIsGone && !hasBegun(pod))))
    return found(toStoppedResult(phases, phase));
  if (pod !== undefined) return lookAtPod(subject, pod, podIsGone);
  if (isFinished(job)) {
    // The watch of pods may lag behind that of jobs.
    const late = await findPod(subject);
    return late === undefined ? found(toEndWithoutPod(job)) : lookAtPod(subject, late, false);
  }
  if (isSuspended(job)) return { kind: 'wait' };
  return waitForStart(subject, undefined, { kind: 'pending', since: toReleasedAt(job) });
}

function toEndWithoutPod(job: V1Job): PhaseResult {
  return toSuccess(job) ?? (isPastDeadline(job) ? { kind: 'killed', reason: 'timeout' } : LOST);
}

async function lookAtPod(subject: Subject, pod: V1Pod, isGone: boolean): Promise<PhaseLook> {
  const { phases, phase, tell } = subject;
  const state = toPodPhase(pod, phases, phase, isGone);
  if (state.kind === 'ended') {
    const isDeleted = isGone || pod.metadata?.deletionTimestamp !== undefined;
    return found(isDeleted ? await settle(subject, state.result) : state.result);
  }
  const sidecar = findSidecar(pod, phases);
  if (sidecar !== undefined) return found(toSidecarResult(sidecar));
  if (state.kind === 'pending') return waitForStart(subject, pod, state);
  tell?.(undefined);
  return waitForEnd(subject, pod);
}

/**
 * What the Job knows of a pod that was deleted. The watch may have missed the pod's last minutes, and what the Job says of
 * them, so it is read.
 */
async function settle(
  { api, job: { metadata }, signal }: Subject,
  seen: PhaseResult,
): Promise<PhaseResult> {
  if (seen.kind !== 'killed' || (seen.reason !== 'lost' && seen.reason !== 'stopped')) return seen;
  const now = await api.findJob(metadata?.name ?? '', signal);
  if (now === undefined || now.metadata?.uid !== metadata?.uid) return seen;
  if (isPastDeadline(now)) return { ...seen, reason: 'timeout' };
  return (seen.reason === 'lost' ? toSuccess(now) : undefined) ?? seen;
}

async function waitForEnd(subject: Subject, pod: V1Pod): Promise<PhaseLook> {
  const left = toPatience(pod, subject.api.now());
  if (left === undefined) return { kind: 'wait' };
  if (left > 0) return wait(left);
  return (await isCurrent(subject, pod)) ? found(LOST) : SOON;
}

async function waitForStart(
  subject: Subject,
  pod: V1Pod | undefined,
  { since, obstacle }: Extract<PodPhase, { kind: 'pending' }>,
): Promise<PhaseLook> {
  const { api, job, tell, signal } = subject;
  const limit = toPendingSeconds(job);
  const age = api.now() - Date.parse(since);
  const untilTold = obstacle === undefined ? 0 : WORTH_TELLING_MS - age;
  if (obstacle !== undefined && untilTold <= 0)
    tell?.(`${obstacle.message} (pod_pending_time_limit: ${limit === 0 ? 'none' : `${limit} s`})`);
  const left = limit === 0 ? Number.POSITIVE_INFINITY : limit * 1000 - age;
  if (left > 0) return wait(untilTold > 0 ? Math.min(left, untilTold) : left);
  if (!(await isCurrent(subject, pod))) return SOON;
  const { uid = '' } = (pod ?? job).metadata ?? {};
  const known = obstacle ?? toObstacle(await api.listEvents(uid, signal));
  return found({ kind: 'unstarted', reason: known.reason, message: advise(known, limit) });
}

/** Puts the advice before Kubernetes' own words, which may be long and are cut. */
function advise({ reason, message }: Obstacle, limit: number): string {
  const within = `it did not within ${limit} s (pod_pending_time_limit). ${NEXT_STEPS[reason]}`;
  return message === '' ? within.replace(/: $/, '') : `${within}${message}`;
}

/** Whether the watch is up to date. Checked before a time limit alone decides, because the watch may have been broken. */
async function isCurrent(subject: Subject, pod: V1Pod | undefined): Promise<boolean> {
  const now = await findPod(subject);
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

async function findPod({ api, job: { metadata }, signal }: Subject): Promise<V1Pod | undefined> {
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
