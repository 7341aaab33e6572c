import { ServiceError } from '../core/errors.js';
import { toKeyName, type ImageJob } from '../core/image.js';
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

/** The end of a sentence about a job that has failed. */
export function toCause({ message }: ImageJob): string {
  return message === undefined ? '; see the log of IMS' : `: ${message}`;
}

/** Removes the session's public key from IMS. Jobs that have got it keep it. */
export async function removeKeys(
  { client, deploymentId, signal }: ImageDependencies & { readonly signal: AbortSignal },
  { name, jobId }: Pick<Session, 'name' | 'jobId'>,
): Promise<void> {
  const keys = await client.findKeys(toKeyName(name, jobId, deploymentId), signal);
  for (const id of keys) await client.removeKey(id, signal);
}
