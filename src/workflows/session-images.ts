import { CancellationScope } from '@temporalio/workflow';
import type { SessionRun } from './session-run.js';
import { wait } from './proxies.js';

/** How many images are waited for at once. */
const MAX_IMAGES = 10;

/** Has every image of the session opened for Ansible. Returns false if the session is no longer wanted. */
export async function openImages({ jobId, cancellation }: SessionRun): Promise<boolean> {
  const { staged, imageIds } = await cancellation.scope.run(() => wait.stageImages({ jobId }));
  if (!staged) return false;
  for (let first = 0; first < imageIds.length; first += MAX_IMAGES) {
    const some = imageIds.slice(first, first + MAX_IMAGES);
    await cancellation.scope.run(() => awaitImages(jobId, some));
  }
  return true;
}

/** The first failure cancels the other waits. It is thrown once they have ended, so that the undo finds nothing in use. */
async function awaitImages(jobId: string, imageIds: readonly string[]): Promise<void> {
  const scope = new CancellationScope();
  await scope.run(async () => {
    const waits = imageIds.map((imageId) =>
      wait.awaitImage.executeWithOptions({ summary: imageId }, [{ jobId, imageId }]),
    );
    await Promise.all(waits).catch(async (error: unknown) => {
      scope.cancel();
      await Promise.allSettled(waits);
      throw error;
    });
  });
}
