import type {
  V1ContainerState,
  V1ContainerStateTerminated,
  V1ContainerStatus,
  V1Pod,
} from '@kubernetes/client-node';
import { isSuccess, type PhaseResult } from '../core/job.js';
import { findForeign, toFailure, toHold, type Foreign, type Obstacle } from './obstacle.js';
import { SKIPPED, toPhaseResult } from './phase-record.js';
import { EMPTY_CONTAINER } from './pod-containers.js';
import { STOPPED_ANNOTATION } from './pod-labels.js';
import { findStatus, parseRecord } from './pod-record.js';

type Killed = Extract<PhaseResult, { kind: 'killed' }>;

/** What a pod says about one of its phases. */
export type PodPhase =
  | { readonly kind: 'ended'; readonly result: PhaseResult }
  /** The phase or an earlier one runs. */
  | { readonly kind: 'running' }
  /** It is the phase's turn, but it cannot start. `obstacle`: what is known about the cause. */
  | { readonly kind: 'pending'; readonly since: string; readonly obstacle?: Obstacle };

/** What to do about an obstacle. Kubernetes' own words follow. */
export const NEXT_STEPS = {
  unschedulable:
    'Make room on a node or in the quota, or ask for less (resources in KUBERNETES_SETTINGS_FILE), and run it again: ',
  'image-pull': 'Check image and imagePullSecrets in KUBERNETES_SETTINGS_FILE: ',
  config: '',
  skipped: '',
} as const;

/** Waiting does not help against these. */
const FINAL = ['ErrImageNeverPull', 'InvalidImageName'];
const IMAGE = ['ErrImagePull', 'ImagePullBackOff', 'RegistryUnavailable'];
/** The container never ran. */
const NOT_STARTED = ['StartError', 'ContainerCannotRun', 'CreateContainerError'];
const UNKNOWN = 'ContainerStatusUnknown';
const OUT_OF_MEMORY = 'OOMKilled';
/** How long a pod may outlast the time at which Kubernetes was to remove it. */
const OVERDUE_MS = 300_000;
/** Reasons of a DisruptionTarget that mean that the pod was evicted. */
const EVICTIONS = [
  'PreemptionByScheduler',
  'DeletionByTaintManager',
  'EvictionByEvictionAPI',
  'TerminationByKubelet',
];

/**
 * How the phase ended, or its present state. `phases`: all of the job, in order. `isGone`: the pod was deleted, and this is the
 * last that was seen of it.
 */
export function toPodPhase(
  pod: V1Pod,
  phases: readonly string[],
  phase: string,
  isGone = false,
): PodPhase {
  let since = toIso(pod.metadata?.creationTimestamp);
  for (const name of phases) {
    const { terminated, waiting, running } = findStatus(pod, name)?.state ?? {};
    if (terminated !== undefined) {
      const result = toResult(pod, terminated);
      if (name === phase) return { kind: 'ended', result };
      if (!isSuccess(result)) return { kind: 'ended', result: SKIPPED };
      since = toIso(terminated.finishedAt);
    } else if (isGone || isOver(pod)) {
      return {
        kind: 'ended',
        result: name === phase ? toEnd(pod, phases, phase, isGone) : SKIPPED,
      };
    } else if (name !== phase || running !== undefined) {
      return { kind: 'running' };
    } else {
      return toPending(pod, since, waiting, findForeign(pod, phases, phase));
    }
  }
  return { kind: 'running' };
}

/**
 * Whether no phase runs and none will. The containers show that a moment before the pod does. Native sidecars do not count,
 * because one that ends is restarted.
 */
export function isOver({ spec, status }: V1Pod): boolean {
  if (status?.phase === 'Failed' || status?.phase === 'Succeeded') return true;
  const sidecars = (spec?.initContainers ?? [])
    .filter(({ restartPolicy }) => restartPolicy === 'Always')
    .map(({ name }) => name);
  const codes = (statuses: readonly V1ContainerStatus[] = []) =>
    statuses
      .filter(({ name }) => !sidecars.includes(name))
      .map(({ state }) => state?.terminated?.exitCode);
  const last = codes(status?.containerStatuses);
  return (
    codes(status?.initContainerStatuses).some((code) => code !== undefined && code !== 0) ||
    (last.length > 0 && !last.includes(undefined))
  );
}

/**
 * Milliseconds until the pod counts as lost because its node does not answer. Undefined if it is not being deleted. A node that
 * is away never reports how its containers ended.
 */
export function toPatience({ metadata }: V1Pod, now: number): number | undefined {
  const deletion = metadata?.deletionTimestamp;
  if (deletion === undefined) return undefined;
  return new Date(deletion).getTime() + OVERDUE_MS - now;
}

export function isOverdue(pod: V1Pod, now: number): boolean {
  return (toPatience(pod, now) ?? Infinity) <= 0;
}

/** When the last container ended. */
export function toEndedAt({ status }: V1Pod): string | undefined {
  const times = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
    .map(({ state }) => state?.terminated?.finishedAt)
    .filter((time) => time !== undefined)
    .map(toIso)
    .sort();
  return times.at(-1);
}

export function hasStarted(pod: V1Pod, phase: string): boolean {
  const state = findStatus(pod, phase)?.state;
  return state?.running !== undefined || state?.terminated !== undefined;
}

/** Whether any container of the pod runs or has run. */
export function hasBegun({ status }: V1Pod): boolean {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].some(
    ({ state }) => state?.running !== undefined || state?.terminated !== undefined,
  );
}

/** A container that runs beside the last phase and would keep the pod from ending. */
export function findSidecar({ spec }: V1Pod, phases: readonly string[]): string | undefined {
  const own = [...phases, EMPTY_CONTAINER];
  return spec?.containers.find(({ name }) => !own.includes(name))?.name;
}

/** The client returns Dates from lists, but strings from watches. */
export function toIso(time: Date | string | undefined): string {
  return time === undefined ? new Date(0).toISOString() : new Date(time).toISOString();
}

function toResult(pod: V1Pod, terminated: V1ContainerStateTerminated): PhaseResult {
  const { reason = '', message = '' } = terminated;
  if (NOT_STARTED.includes(reason))
    return { kind: 'unstarted', reason: 'config', message: message === '' ? reason : message };
  if (reason === UNKNOWN) return toKill(pod);
  const startedAt = toIso(terminated.startedAt);
  const endedAt = toIso(terminated.finishedAt);
  const { exitCode } = terminated;
  const told = parseRecord(terminated);
  if (reason === OUT_OF_MEMORY && exitCode !== 0 && told?.killed == null)
    return { kind: 'killed', reason: 'memory', startedAt, endedAt };
  const result = told && toPhaseResult({ started_at: startedAt, ended_at: endedAt, ...told });
  if (result === undefined)
    return exitCode === SIGKILLED || exitCode === SIGTERMED
      ? { ...toKill(pod), startedAt, endedAt }
      : { kind: 'exited', exitCode, startedAt, endedAt };
  if (result.kind !== 'killed' || result.reason !== 'stopped') return result;
  const kill = toKill(pod);
  return kill.reason === 'lost' ? result : { ...result, ...kill };
}

const SIGKILLED = 128 + 9;
const SIGTERMED = 128 + 15;

/** The result of a phase that will never start, or of which nothing was heard. */
function toEnd(pod: V1Pod, phases: readonly string[], phase: string, isGone: boolean): PhaseResult {
  const kill = toKill(pod);
  const isDeleted = isGone || pod.metadata?.deletionTimestamp !== undefined;
  if (kill.reason !== 'lost' || isDeleted) return kill;
  const failure = toFailure(findForeign(pod, phases, phase));
  return failure === undefined ? kill : { kind: 'unstarted', ...failure };
}

/** Why something ended the pod. */
function toKill({ metadata, spec, status }: V1Pod): Killed {
  if (metadata?.annotations?.[STOPPED_ANNOTATION] !== undefined)
    return { kind: 'killed', reason: 'stopped' };
  const disruption = status?.conditions?.find(
    ({ type, status: value }) => type === 'DisruptionTarget' && value === 'True',
  );
  if (status?.reason === 'Evicted' || EVICTIONS.includes(disruption?.reason ?? '')) {
    const message = (status?.message || disruption?.message)?.trim();
    return { kind: 'killed', reason: 'evicted', ...(message ? { message } : {}) };
  }
  if (status?.reason === 'DeadlineExceeded' && spec?.activeDeadlineSeconds !== undefined)
    return { kind: 'killed', reason: 'timeout' };
  return { kind: 'killed', reason: 'lost' };
}

function toPending(
  { status }: V1Pod,
  since: string,
  waiting: V1ContainerState['waiting'],
  foreign: Foreign | undefined,
): PodPhase {
  const reason = waiting?.reason ?? '';
  const message = [reason, waiting?.message].filter(Boolean).join(': ');
  if (FINAL.includes(reason)) {
    const told = `${NEXT_STEPS['image-pull']}${message}`;
    return { kind: 'ended', result: { kind: 'unstarted', reason: 'image-pull', message: told } };
  }
  if (IMAGE.includes(reason))
    return { kind: 'pending', since, obstacle: { reason: 'image-pull', message } };
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False')
    return {
      kind: 'pending',
      since,
      obstacle: { reason: 'unschedulable', message: scheduled.message ?? scheduled.reason ?? '' },
    };
  const held = toHold(foreign);
  if (held !== undefined) return { kind: 'pending', since, obstacle: held };
  if (waiting?.message !== undefined && waiting.message !== '')
    return { kind: 'pending', since, obstacle: { reason: 'config', message } };
  return { kind: 'pending', since };
}
