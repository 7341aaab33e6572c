import { isSuccess, type SessionPhaseKind } from '../core/job.js';
import { endPhase, startPhase } from '../core/progress.js';
import { act, observe, onQueue } from './proxies.js';
import type { SessionRun } from './session-run.js';
import { showState } from './status.js';

const activityOf = {
  'git-clone': 'gitClone',
  'git-clone-hosts': 'gitCloneHosts',
  inventory: 'inventory',
  ansible: 'ansible',
  teardown: 'teardown',
} as const satisfies Record<SessionPhaseKind, keyof typeof observe>;

/**
 * Watches a launched job to its end. A cancel stops the job, not the watching: the current phase then ends
 * by itself, with a complete log. If the job cannot be stopped, the session fails with that error.
 */
export async function observeJob(run: SessionRun): Promise<void> {
  const { jobId, claim, cancellation } = run;
  const stop = () => act.stopJob.executeWithOptions(onQueue(claim.controlQueue), [{ jobId }]);
  const stopping = claim.kind === 'stop' ? stop() : cancellation.noted.then(stop);
  const stopFailed = stopping.then(
    () => new Promise<never>(() => undefined),
    (error: unknown) => Promise.reject(error instanceof Error ? error : new Error(String(error))),
  );
  await Promise.race([observePhases(run), stopFailed]);
  if (claim.kind === 'stop' || cancellation.request() !== undefined) await stopping;
}

/** Watches the phases in order, with one activity each, up to the first that does not succeed. */
async function observePhases({ jobId, claim, details }: SessionRun): Promise<void> {
  for (const { name, kind, title } of details.progress()) {
    showState(claim, 'running', name);
    details.update((progress) => startPhase(progress, name, Date.now()));
    // `teardown` is not a phase of the job, so any worker can run it.
    const queue = onQueue(kind === 'teardown' ? undefined : claim.machineQueue);
    const end = await observe[activityOf[kind]].executeWithOptions({ ...queue, summary: title }, [
      { jobId, phase: name },
    ]);
    details.update((progress) => endPhase(progress, name, end, Date.now()));
    if (!isSuccess(end.result)) return;
  }
}
