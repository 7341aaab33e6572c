import { isIdle } from '../core/sweep.js';
import type { SweepDependencies } from './sweep-dependencies.js';
import type { SweepRun } from './sweep-run.js';

/** Gives on places and hosts that are free although sessions wait: a process died before it did so. */
export async function admitWaiting(
  { store: { admission }, now }: SweepDependencies,
  { attempt, dryRun, note }: SweepRun,
): Promise<void> {
  await attempt({ message: 'places could not be given on' }, async () => {
    const admitted = await (dryRun ? admission.listAdmissible(now()) : admission.admit(now()));
    const why = 'it waited, although its place and its hosts were free';
    for (const { jobId, name } of admitted) note({ act: 'admit', session: name, jobId, why });
  });
}

/**
 * Ends workflows that wait for a place or for hosts although their record is complete, or gone. A Temporal that was set back
 * has them begin to wait again, and a restored database lacks their record; nothing would ever tell them to go on. Other
 * workflows of such sessions end by themselves. `unfinished` has the job ids of the sessions that may wait.
 */
export async function endVainWaits(
  { store, orchestrator }: SweepDependencies,
  unfinished: ReadonlySet<string>,
  { attempt, perform }: SweepRun,
): Promise<void> {
  const message = 'a workflow that waits in vain could not be ended';
  await attempt({ message }, async () => {
    for (const jobId of await orchestrator.listWaiting()) {
      if (unfinished.has(jobId)) continue;
      await attempt({ message, jobId }, async () => {
        // Before the workflow is looked at: one that still waits once its record is complete does so for ever.
        const session = await store.sessions.get(jobId);
        if (session !== undefined && session.state !== 'complete') return;
        const workflow = await orchestrator.describeSession(jobId);
        if (workflow.kind !== 'running' || !isIdle(workflow)) return;
        const why = `its workflow waits, although its record is ${session === undefined ? 'gone' : 'complete'}`;
        await perform({ act: 'end', session: session?.name ?? jobId, jobId, why }, () =>
          orchestrator.terminateRun(
            { id: jobId, runId: workflow.runId },
            `Ended by the sweep: ${why}.`,
          ),
        );
      });
    }
  });
}
