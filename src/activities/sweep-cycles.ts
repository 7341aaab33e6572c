import { ServiceError } from '../core/errors.js';
import { toBatcherWorkflow, toHardwareSyncWorkflow } from '../core/names.js';
import { describeFailure, isHopeless } from '../core/sweep.js';
import type { SweepDependencies } from './sweep-dependencies.js';
import type { SweepRun } from './sweep-run.js';

/**
 * Reports workflows of batcher and hardware sync that fail again and again, and ends them when that has no hope. All their state
 * is in the database, and workers start them again by themselves.
 */
export async function endFailingCycles(
  { store, orchestrator, now }: SweepDependencies,
  { attempt, perform }: SweepRun,
): Promise<void> {
  const deploymentId = await store.deploymentId();
  for (const id of [toBatcherWorkflow(deploymentId), toHardwareSyncWorkflow(deploymentId)])
    await attempt({ message: 'a workflow fails again and again', jobId: id }, async () => {
      const workflow = await orchestrator.describeCycle(id);
      if (workflow?.failing === undefined) return;
      const why = describeFailure(workflow.failing);
      if (!isHopeless(workflow, now())) throw new ServiceError('conflict', `${id}: ${why}`);
      await perform({ act: 'end', session: id, jobId: id, why }, () =>
        orchestrator.terminateRun({ id, runId: workflow.runId }, `Ended by the sweep: ${why}`),
      );
    });
}
