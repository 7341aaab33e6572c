import type { V1Job } from '@kubernetes/client-node';
import type { PhaseResult } from '../core/job.js';
import { isOver, toEndedAt, toIso } from './pod-phase.js';
import {
  DEPLOYMENT_LABEL,
  PENDING_ANNOTATION,
  PHASES_ANNOTATION,
  STOPPED_ANNOTATION,
} from './pod-labels.js';
import type { JobView } from './kubernetes-watch.js';
import type { JobSummary } from './runner.js';

/** The phases of the job, in order. */
export function toPhaseNames({ metadata, spec }: V1Job): readonly string[] {
  const told = metadata?.annotations?.[PHASES_ANNOTATION];
  if (told !== undefined) return told.split(',');
  // A Job of an earlier version.
  const { initContainers = [], containers = [] } = spec?.template.spec ?? {};
  return [...initContainers, ...containers].map(({ name }) => name);
}

export function isOurs({ metadata }: V1Job, deploymentId: string): boolean {
  return metadata?.labels?.[DEPLOYMENT_LABEL] === deploymentId;
}

export function isSuspended({ spec }: V1Job): boolean {
  return spec?.suspend === true;
}

/** Whether the job was stopped before it had a pod. Then it never gets one. */
export function isStopped({ metadata }: V1Job): boolean {
  return metadata?.annotations?.[STOPPED_ANNOTATION] !== undefined;
}

/** Whether the controller says that the Job has ended, which it does seconds after its pod. */
export function isFinished(job: V1Job): boolean {
  return findEnd(job) !== undefined;
}

/** Whether the Job had a deadline, as a policy may set one, and its controller deleted the pod for it. */
export function isPastDeadline({ status }: V1Job): boolean {
  return (status?.conditions ?? []).some(
    ({ type, status: value, reason }) =>
      (type === 'FailureTarget' || type === 'Failed') &&
      value === 'True' &&
      reason === 'DeadlineExceeded',
  );
}

/** The result of every phase if the pod is gone: in a Job that is complete, each exited with 0. */
export function toSuccess({ status }: V1Job): PhaseResult | undefined {
  const isComplete = status?.conditions?.some(
    ({ type, status: value }) => type === 'Complete' && value === 'True',
  );
  if (isComplete !== true) return undefined;
  const [startedAt, endedAt] = [toIso(status?.startTime), toIso(status?.completionTime)];
  return { kind: 'exited', exitCode: 0, startedAt, endedAt };
}

/** 0: forever. */
export function toPendingSeconds({ metadata }: V1Job): number {
  return Number(metadata?.annotations?.[PENDING_ANNOTATION] ?? 0);
}

/** When the job was released. Before that it waits for nothing. */
export function toReleasedAt({ status, metadata }: V1Job): string {
  return toIso(status?.startTime ?? metadata?.creationTimestamp);
}

export function toSummary(job: V1Job, { pod, podIsGone }: Omit<JobView, 'job'>): JobSummary {
  const about = { jobId: job.metadata?.name ?? '', incarnation: job.metadata?.uid ?? '' };
  const end = findEnd(job);
  const podEnd = pod && (podIsGone || isOver(pod)) ? (toEndedAt(pod) ?? '') : undefined;
  if (end !== undefined || podEnd !== undefined) {
    const endedAt = podEnd || end;
    return { ...about, state: 'ended', ...(endedAt ? { endedAt } : {}) };
  }
  if (!isSuspended(job)) return { ...about, state: 'running' };
  const stoppedAt = job.metadata?.annotations?.[STOPPED_ANNOTATION];
  return stoppedAt === undefined
    ? { ...about, state: 'prepared' }
    : { ...about, state: 'ended', endedAt: stoppedAt };
}

function findEnd({ status }: V1Job): string | undefined {
  const condition = status?.conditions?.find(
    ({ type, status: value }) => (type === 'Complete' || type === 'Failed') && value === 'True',
  );
  return condition && toIso(condition.lastTransitionTime);
}
