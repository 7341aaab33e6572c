import { ServiceError } from '../core/errors.js';
import { findOwner } from '../core/image.js';
import type { ImageDependencies } from './dependencies.js';
import { discardOrphans } from './discard.js';
import { removeKeys } from './image-work.js';
import type { SweepDependencies } from './sweep-dependencies.js';
import type { SweepRun } from './sweep-run.js';

type ImageSweepDependencies = SweepDependencies & { readonly images: ImageDependencies };

/** What one job of ours has in the image service. */
interface Owned {
  readonly jobId: string;
  readonly names: readonly string[];
}

/**
 * Removes IMS jobs and keys that carry this deployment's id and whose session is over or has
 * no record. IMS made them after they were given up, or before an older copy of the database
 * was restored. One that cannot be removed does not hold back the others.
 */
export async function removeImageOrphans(
  dependencies: SweepDependencies,
  run: SweepRun,
): Promise<void> {
  const { images } = dependencies;
  if (images === undefined) return;
  const message = 'the image service could not be swept';
  await run.attempt({ message }, async () => {
    for (const owned of await listOwned(images, run.signal)) {
      const { jobId } = owned;
      await run.attempt({ message, jobId }, () =>
        removeOrphans({ ...dependencies, images }, owned, run),
      );
    }
  });
}

/** The names in IMS that carry this deployment's id, by the job that they belong to. */
async function listOwned(
  { client, deploymentId }: ImageDependencies,
  signal: AbortSignal,
): Promise<readonly Owned[]> {
  const owned = new Map<string, string[]>();
  for (const name of await client.listNames(signal)) {
    const jobId = findOwner(name, deploymentId);
    if (jobId !== undefined) owned.set(jobId, [...(owned.get(jobId) ?? []), name]);
  }
  return [...owned].map(([jobId, names]) => ({ jobId, names }));
}

async function removeOrphans(
  { store, orchestrator, images }: ImageSweepDependencies,
  { jobId, names }: Owned,
  { perform, signal }: SweepRun,
): Promise<void> {
  const { client } = images;
  const { kind } = await orchestrator.describeSession(jobId);
  const session = await store.sessions.get(jobId);
  if (kind === 'running' || (session !== undefined && session.state !== 'complete')) return;
  const entry = { session: session?.name ?? jobId, jobId, why: 'left in the image service' };
  await perform({ act: 'remove', ...entry }, async () => {
    await discardOrphans(images, jobId, signal);
    for (const name of names) {
      const refusal = await removeKeys({ client, signal }, name);
      if (refusal !== undefined) throw new ServiceError('rejected', refusal);
    }
  });
}
