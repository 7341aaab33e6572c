import type { V1Job, V1Pod } from '@kubernetes/client-node';
import type { KubernetesApi } from './kubernetes-api.js';
import { isFinished, isOurs, isStopped, isSuspended } from './kubernetes-job.js';
import { isDone } from './kubernetes-launch.js';
import type { KubernetesWatch } from './kubernetes-watch.js';
import { STOPPED_ANNOTATION } from './pod-labels.js';
import { hasBegun, isOver, isOverdue, toIso, toPatience } from './pod-phase.js';

export interface StopOptions {
  readonly api: KubernetesApi;
  readonly watch: KubernetesWatch;
  readonly deploymentId: string;
  /** How long Kubernetes keeps a Job after its session has ended. */
  readonly jobTtlSeconds: number;
}

/**
 * Stops the job and keeps its log and statuses. A pod gets a deadline that has already passed, which gives it its grace time. A
 * Job without a pod never gets one. The Secrets are removed, and the time to keep the Job begins.
 */
export async function stopJob(
  options: StopOptions,
  jobId: string,
  signal: AbortSignal,
): Promise<void> {
  const { api, deploymentId, jobTtlSeconds } = options;
  for (;;) {
    const job = await api.findJob(jobId, signal);
    if (job === undefined || !isOurs(job, deploymentId)) return;
    if (await endJob(options, job, signal)) break;
  }
  const keeping = { spec: { ttlSecondsAfterFinished: jobTtlSeconds } };
  await api.patchJob(jobId, keeping, signal);
  await api.deleteSecretsOf(jobId, signal);
}

/** False if something has changed meanwhile and the caller must look again. */
async function endJob(options: StopOptions, job: V1Job, signal: AbortSignal): Promise<boolean> {
  const { api } = options;
  const { name = '', uid = '' } = job.metadata ?? {};
  const pods = (await api.listPodsOf(name, signal)).filter((pod) => isOf(pod, uid));
  const pod = pods.find((each) => !isOver(each)) ?? pods[0];
  if (pod === undefined) return isFinished(job) || keepFromStarting(options, job, signal);
  if (isOver(pod) || isOverdue(pod, api.now())) return true;
  if (!hasBegun(pod)) return dropPod(options, job, pod, signal);
  await api.patchPod(
    pod.metadata?.name ?? '',
    { metadata: { annotations: toMark(api) }, spec: { activeDeadlineSeconds: 1 } },
    signal,
  );
  return waitForEnd(options, name, uid, signal);
}

async function keepFromStarting(
  { api }: StopOptions,
  job: V1Job,
  signal: AbortSignal,
): Promise<boolean> {
  // The Job was already stopped when the pods were listed, so none can have been added.
  if (isSuspended(job) && isStopped(job)) return true;
  const { name = '', uid, resourceVersion } = job.metadata ?? {};
  const patch = {
    metadata: { uid, resourceVersion, annotations: toMark(api) },
    spec: { suspend: true },
  };
  await isDone(api.patchJob(name, patch, signal));
  return false;
}

/** Deletes a pod that has never run: it has nothing worth keeping, and a deadline has no effect on a pod without a node. */
async function dropPod(
  options: StopOptions,
  job: V1Job,
  pod: V1Pod,
  signal: AbortSignal,
): Promise<boolean> {
  const { api } = options;
  const { name = '', uid = '' } = job.metadata ?? {};
  await api.patchJob(name, { metadata: { uid, annotations: toMark(api) } }, signal);
  const { name: podName = '', uid: podUid = '', resourceVersion } = pod.metadata ?? {};
  const precondition = {
    uid: podUid,
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
  if (!(await isDone(api.deletePod(podName, precondition, signal)))) return false;
  return waitForEnd(options, name, uid, signal);
}

/** Waits until the watch reports the pod's end. False if its node has been silent for so long that the pod counts as lost. */
function waitForEnd(
  { watch, api }: StopOptions,
  jobId: string,
  uid: string,
  signal: AbortSignal,
): Promise<boolean> {
  return watch.until<boolean>(jobId, signal, async ({ job, pod, podIsGone }) => {
    if (pod === undefined ? job !== undefined && isFinished(job) : podIsGone || hasEnded(pod))
      return { kind: 'found', value: true };
    const patience = pod && toPatience(pod, api.now());
    if (patience !== undefined)
      return patience > 0
        ? { kind: 'wait', milliseconds: patience }
        : { kind: 'found', value: false };
    // The watch has not heard of the Job yet, or it is gone.
    const isThere = job !== undefined || (await api.findJob(jobId, signal))?.metadata?.uid === uid;
    return isThere ? { kind: 'wait' } : { kind: 'found', value: true };
  });
}

function hasEnded(pod: V1Pod): boolean {
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  const statuses = [...initContainerStatuses, ...containerStatuses];
  return isOver(pod) && statuses.every(({ state }) => state?.running === undefined);
}

function isOf({ metadata }: V1Pod, uid: string): boolean {
  return metadata?.ownerReferences?.some((owner) => owner.uid === uid) === true;
}

function toMark(api: KubernetesApi): Record<string, string> {
  return { [STOPPED_ANNOTATION]: toIso(new Date(api.now())) };
}
