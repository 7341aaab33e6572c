import { isServiceError } from '../core/errors.js';
import { discardImages, removeImageKey } from './discard.js';
import type { Perform, SweepDependencies } from './sweep-dependencies.js';

/**
 * Removes what sessions that are over left behind, because their own undo failed or somebody
 * else completed their record. Returns why some are left for the next sweep, if they are.
 */
export async function removeLeftovers(
  dependencies: SweepDependencies,
  perform: Perform,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { store, limit, logger } = dependencies;
  const leftovers = await store.sweep.listLeftovers(limit + 1);
  for (const { jobId, name } of leftovers.slice(0, limit)) {
    signal.throwIfAborted();
    const entry = { session: name, jobId, why: 'what a session that is over left' };
    await perform({ act: 'remove', ...entry }, async () => {
      await store.stagedFiles.remove(jobId);
      await undoImages(dependencies, jobId, signal);
    }).catch((error: unknown) => {
      if (!isServiceError(error)) throw error;
      logger.warn({ err: error, session: name, jobId }, 'leftovers could not be removed');
    });
  }
  return leftovers.length > limit
    ? `More than ${limit} sessions that are over left something behind; the rest waits for the next sweep.`
    : undefined;
}

/** Does not wait for an IMS job that is packaging, because the next sweep finds it again. */
async function undoImages(
  dependencies: SweepDependencies,
  jobId: string,
  signal: AbortSignal,
): Promise<void> {
  const session = await dependencies.store.sessions.get(jobId);
  if (session === undefined) return;
  await discardImages(dependencies, session, signal, 0);
  await removeImageKey(dependencies, session, signal);
}
