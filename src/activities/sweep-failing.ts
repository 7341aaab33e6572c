import { ServiceError } from '../core/errors.js';
import type { Session } from '../core/session.js';
import { describeFailure, type RunningWorkflow } from '../core/sweep.js';
import { describeFailing, isFailingWait } from '../core/waiting.js';
import type { SweepDependencies } from './sweep-dependencies.js';

/**
 * Puts on the record that the workflow fails again and again, or that it no longer does. Throws if it does, so that the sweep
 * reports it.
 */
export async function noteFailing(
  { store, now }: Pick<SweepDependencies, 'store' | 'now'>,
  { failing }: RunningWorkflow,
  { jobId, waiting, waitsFor, phase }: Session,
  { dryRun }: { readonly dryRun: boolean },
): Promise<void> {
  const isNoted = waiting !== undefined && isFailingWait(waiting);
  if (failing === undefined) {
    if (isNoted && !dryRun) await store.sessions.recordWaitEnd(jobId, waiting);
    return;
  }
  // The record of a session that waits for hosts says for which one, and it waits for that one anyway.
  if (!isNoted && waitsFor === undefined && !dryRun)
    await store.sessions.recordWait(jobId, {
      ...{ since: now(), message: describeFailing(failing.why) },
      ...(phase === undefined ? {} : { phase }),
    });
  throw new ServiceError('conflict', describeFailure(failing));
}
