import { discardImages, removeImageKey, throwRefusals } from './discard.js';
import type { SweepDependencies } from './sweep-dependencies.js';
import type { SweepRun } from './sweep-run.js';

/**
 * Removes what sessions that are over left behind, because their own undo failed or somebody
 * else completed their record. Returns why some are left for the next sweep, if they are.
 */
export async function removeLeftovers(
  dependencies: SweepDependencies,
  { attempt, perform, signal }: SweepRun,
): Promise<string | undefined> {
  const { store, limit } = dependencies;
  const leftovers = await store.sweep.listLeftovers(limit + 1);
  for (const { jobId, name } of leftovers.slice(0, limit)) {
    const entry = { session: name, jobId, why: 'what a session that is over left' };
    const part = { message: 'leftovers could not be removed', session: name, jobId };
    await attempt(part, () =>
      perform({ act: 'remove', ...entry }, async () => {
        await store.stagedFiles.remove(jobId);
        await undoImages(dependencies, jobId, signal);
      }),
    );
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
  const { refusals } = await discardImages(dependencies, session, signal, { patienceMs: 0 });
  await removeImageKey(dependencies, session, signal);
  throwRefusals(refusals);
}
