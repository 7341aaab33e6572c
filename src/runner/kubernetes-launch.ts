import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { V1Job } from '@kubernetes/client-node';
import { isServiceError, missing, ServiceError } from '../core/errors.js';
import type { KubernetesApi } from './kubernetes-api.js';
import { isOurs, isStopped, isSuspended } from './kubernetes-job.js';
import {
  CONTENT_ANNOTATION,
  PREPARED_ANNOTATION,
  SECRETS_ANNOTATION,
  toOwnLabels,
} from './pod-labels.js';
import { renderSecret } from './pod-secrets.js';
import { renderJobObjects, UNTIL_STOP, type JobObjects, type PodSurroundings } from './pod.js';
import type { Incarnation, Launch } from './runner.js';

export interface LaunchOptions extends PodSurroundings {
  readonly api: KubernetesApi;
  /** Contains the package `job`, whose `ansible.cfg` is the default one. */
  readonly jobSource: string;
}

const DEFAULT_ANSIBLE_CONFIG = 'cfs-default-ansible-cfg';
const ANSIBLE_CONFIG_KEY = 'ansible.cfg';

/**
 * Creates the suspended Job first, then its Secrets, which it owns, so that a worker that dies in between leaves nothing
 * without an owner. A repeat adds missing Secrets only if their content is the same: otherwise the pod would wait forever for a
 * Secret or key that is no longer created, or read halves of two files. With other content it starts over, unless everything
 * exists already. The names of the Secrets belong to this Job alone, so they never collide with those of an earlier one.
 */
export async function prepareJob(
  options: LaunchOptions,
  launch: Launch,
  signal: AbortSignal,
): Promise<Incarnation> {
  const { jobId } = launch.job;
  const ansibleConfig = await readAnsibleConfig(options, launch.ansibleConfig, signal);
  const render = (name: string) => renderJobObjects(launch, ansibleConfig, name, options);
  const drawn = `${jobId}-${randomBytes(3).toString('hex')}`;
  const { job: fresh } = render(drawn);
  for (;;) {
    const job = await createOrFind(options, fresh, signal);
    const { uid = '', resourceVersion = '' } = job.metadata ?? {};
    if (!isUnprepared(job)) return uid;
    const find = (annotation: string) => job.metadata?.annotations?.[annotation];
    if (find(CONTENT_ANNOTATION) === fresh.metadata?.annotations?.[CONTENT_ANNOTATION]) {
      const { secrets } = render(find(SECRETS_ANNOTATION) ?? drawn);
      await createSecrets(options, { name: jobId, uid }, secrets, signal);
      return uid;
    }
    // Only the version that was seen: by now the Job may be complete, and recorded as launched.
    await isDone(options.api.deleteJob(jobId, { uid, resourceVersion }, signal));
  }
}

/** Resumes exactly this Job. A stopped one stays as it is. */
export async function releaseJob(
  { api, deploymentId }: Pick<LaunchOptions, 'api' | 'deploymentId'>,
  jobId: string,
  incarnation: Incarnation,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const job = await api.findJob(jobId, signal);
    if (job?.metadata?.uid !== incarnation || !isOurs(job, deploymentId))
      throw missing('Job', jobId);
    if (!isSuspended(job) || isStopped(job)) return;
    refuseChanges(job);
    const { uid, resourceVersion } = job.metadata;
    const spec = { suspend: false, ttlSecondsAfterFinished: UNTIL_STOP };
    const patch = { metadata: { uid, resourceVersion }, spec };
    if (await isDone(api.patchJob(jobId, patch, signal))) return;
  }
}

/**
 * Refuses a Job that a policy has changed so that it may run twice, as its controller would create another pod that repeats
 * every phase, or so that it would never run.
 */
function refuseChanges({ metadata, spec }: V1Job): void {
  const { backoffLimit, completions, parallelism, podFailurePolicy } = spec ?? {};
  // A failure that is ignored is repeated without limit.
  const isRepeated = podFailurePolicy?.rules.some(({ action }) => action === 'Ignore') ?? false;
  if (backoffLimit === 0 && completions === 1 && parallelism === 1 && !isRepeated) return;
  const effect =
    completions === 0 || parallelism === 0 ? 'would never run' : 'might run more than once';
  const told = JSON.stringify({ backoffLimit, completions, parallelism, podFailurePolicy });
  throw new ServiceError(
    'rejected',
    `Job ${metadata?.name} ${effect}: something, such as a policy of the cluster, has changed it to ${told}. Exclude Jobs with the label app.kubernetes.io/name=keelson-job from that.`,
    { reason: 'INTERNAL' },
  );
}

export async function discardJob(
  { api, deploymentId }: Pick<LaunchOptions, 'api' | 'deploymentId'>,
  jobId: string,
  incarnation: Incarnation,
  signal: AbortSignal,
): Promise<boolean> {
  for (;;) {
    const job = await api.findJob(jobId, signal);
    if (job?.metadata?.uid !== incarnation || !isOurs(job, deploymentId)) return false;
    if (!isSuspended(job) || job.status?.startTime !== undefined) return false;
    const { uid, resourceVersion } = job.metadata;
    const precondition = { uid, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
    if (await isDone(api.deleteJob(jobId, precondition, signal))) return true;
  }
}

/** False if the object has changed since it was read. */
export async function isDone(act: Promise<unknown>): Promise<boolean> {
  try {
    await act;
    return true;
  } catch (error) {
    ignoreConflict(error);
    return false;
  }
}

function ignoreConflict(error: unknown): undefined {
  if (!isServiceError(error) || error.fault !== 'conflict') throw error;
}

async function createSecrets(
  { api, deploymentId }: LaunchOptions,
  { name: jobId, uid }: { readonly name: string; readonly uid: string },
  secrets: JobObjects['secrets'],
  signal: AbortSignal,
): Promise<void> {
  for (const [name, content] of Object.entries(secrets)) {
    const labels = toOwnLabels(jobId, deploymentId);
    const secret = renderSecret(name, labels, { name: jobId, uid }, content);
    await api.createSecret(secret, signal).catch(ignoreConflict);
  }
  const mark = { metadata: { uid, annotations: { [PREPARED_ANNOTATION]: 'true' } } };
  if ((await api.patchJob(jobId, mark, signal).catch(ignoreConflict)) === undefined)
    // Another attempt has started over, so this one must not record the job as launched.
    throw new ServiceError('unavailable', `Job ${jobId} was removed while it was prepared.`);
}

/** Whether nobody can have recorded the job as launched. */
function isUnprepared(job: V1Job): boolean {
  const { annotations = {} } = job.metadata ?? {};
  const wasReleased = !isSuspended(job) || job.status?.startTime !== undefined;
  return !wasReleased && !isStopped(job) && annotations[PREPARED_ANNOTATION] === undefined;
}

async function createOrFind(
  { api, deploymentId, namespace }: LaunchOptions,
  job: V1Job,
  signal: AbortSignal,
): Promise<V1Job> {
  const name = job.metadata?.name ?? '';
  for (;;) {
    try {
      return await api.createJob(job, signal);
    } catch (error) {
      ignoreConflict(error);
    }
    const present = await api.findJob(name, signal);
    if (present === undefined) continue;
    if (present.metadata?.deletionTimestamp !== undefined)
      throw new ServiceError('unavailable', `Job ${name} is being removed.`);
    if (isOurs(present, deploymentId)) return present;
    throw new ServiceError(
      'conflict',
      `Namespace ${namespace} has a job ${name} that is not this deployment's.`,
      { reason: 'INTERNAL' },
    );
  }
}

async function readAnsibleConfig(
  { api, namespace, jobSource }: LaunchOptions,
  name: string | undefined,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const wanted = name ?? DEFAULT_ANSIBLE_CONFIG;
  const map = await api.findConfigMap(wanted, signal);
  const text = map?.data?.[ANSIBLE_CONFIG_KEY];
  if (text !== undefined) return new TextEncoder().encode(text);
  if (map === undefined && wanted === DEFAULT_ANSIBLE_CONFIG)
    return readFile(join(jobSource, 'job', 'ansible.cfg'));
  const fact =
    map === undefined
      ? `namespace ${namespace} has no config map "${wanted}"`
      : `config map "${wanted}" of namespace ${namespace} has no key ${ANSIBLE_CONFIG_KEY}`;
  throw new ServiceError('invalid', `ansible_config: ${fact}.`, { reason: 'PLAYBOOK_ERROR' });
}
