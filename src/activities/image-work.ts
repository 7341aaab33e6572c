import { ServiceError } from '../core/errors.js';
import { listImageIds, toContainerName, type ImageJob } from '../core/image.js';
import type { Session } from '../core/session.js';
import type { Store } from '../store/store.js';
import type { ActivityDependencies, ImageDependencies } from './dependencies.js';
import type { PhaseLog } from './phase-log.js';

/** What the work on a session's images needs. */
export interface ImageWork extends ImageDependencies {
  readonly store: Store;
  readonly log: PhaseLog;
  readonly session: Session;
  readonly signal: AbortSignal;
}

/** Kinds of noted resources. */
export const IMAGE_RESOURCES = {
  /** Noted by the name of the key. */
  key: 'ims-key',
  /** Noted by the name of the container. */
  container: 'ims-container',
  /** Noted for each image, as `<image id>/<IMS job id>`. */
  job: 'ims-job',
} as const;

export function requireImages({ images }: Pick<ActivityDependencies, 'images'>): ImageDependencies {
  if (images !== undefined) return images;
  throw new ServiceError('rejected', 'This worker has no image management service: set IMS_URL.', {
    reason: 'IMAGE_PREPARE',
  });
}

/**
 * Image id → the IMS job in which that image was opened for Ansible. A late attempt of that
 * step may have made and noted another job, so the first one noted counts.
 */
export async function readImageJobs(
  store: Store,
  jobId: string,
): Promise<ReadonlyMap<string, string>> {
  const jobs = new Map<string, string>();
  for (const { kind, key } of await store.resources.list(jobId)) {
    const [imageId = '', imsJob = ''] = key.split('/');
    if (kind === IMAGE_RESOURCES.job && !jobs.has(imageId)) jobs.set(imageId, imsJob);
  }
  return jobs;
}

/**
 * The same, once all images are opened. A database that was set back has lost the notes; the jobs are in IMS under the name of
 * their container, the oldest first, and are noted again. An image is missing if its job is gone.
 */
export async function findImageJobs(
  { client, deploymentId }: Pick<ImageDependencies, 'client' | 'deploymentId'>,
  store: Store,
  { jobId, request }: Session,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const noted = await readImageJobs(store, jobId);
  if (listImageIds(request.target.groups ?? []).every((id) => noted.has(id))) return noted;
  const container = toContainerName(jobId, deploymentId);
  const jobs = await client.findJobs(container, signal);
  if (jobs.length > 0) await store.resources.note(jobId, IMAGE_RESOURCES.container, container);
  for (const { imageId, id } of jobs)
    if (!noted.has(imageId))
      await store.resources.note(jobId, IMAGE_RESOURCES.job, `${imageId}/${id}`);
  return readImageJobs(store, jobId);
}

/** The end of a sentence about a job that has failed. */
export function toCause({ message }: ImageJob): string {
  return message === undefined ? '; see the log of IMS' : `: ${message}`;
}

/** Removes keys from IMS. Jobs that have got one keep it. Returns the last refusal to remove one for good, as a sentence. */
export async function removeKeys(
  { client, signal }: Pick<ImageDependencies, 'client'> & { readonly signal: AbortSignal },
  keyName: string,
): Promise<string | undefined> {
  let refusal: string | undefined;
  for (const id of await client.findKeys(keyName, signal))
    refusal = (await client.removeKey(id, signal)) ?? refusal;
  return refusal === undefined
    ? undefined
    : `Key ${keyName} stays among the deleted keys of IMS: ${refusal}`;
}
