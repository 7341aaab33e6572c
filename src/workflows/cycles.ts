import {
  continueAsNew,
  proxyActivities,
  setCurrentDetails,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { CycleActivities, CycleReport } from '../activities/cycles.js';

/** Cycles before the workflow continues as new. Each adds about ten events to the history. */
const MOST_CYCLES = 100;

/** All state is in the database, so a retry continues wherever the last attempt stopped. */
const { runBatcherCycle, syncHardware } = proxyActivities<CycleActivities>({
  startToCloseTimeout: '10m',
  heartbeatTimeout: '30s',
  retry: { initialInterval: '1s', maximumInterval: '30s' },
});

/**
 * Groups components that need configuration into batches, and has a session configure each batch. One per
 * deployment; ends when the option `batcher` is no longer `internal`.
 */
export async function BatcherWorkflow(): Promise<void> {
  if (await repeat(runBatcherCycle)) await continueAsNew<typeof BatcherWorkflow>();
}

/** Creates a component for every node that the hardware state manager knows. Ends like the batcher, by the option `hwsync`. */
export async function HardwareSyncWorkflow(): Promise<void> {
  if (await repeat(syncHardware)) await continueAsNew<typeof HardwareSyncWorkflow>();
}

/** Returns false if an option has turned the cycle off. */
async function repeat(run: () => Promise<CycleReport>): Promise<boolean> {
  for (let cycle = 0; cycle < MOST_CYCLES; cycle += 1) {
    const { details, nextSeconds } = await run();
    setCurrentDetails(details);
    if (nextSeconds === undefined) return false;
    await sleep(nextSeconds * 1000);
    if (workflowInfo().continueAsNewSuggested) break;
  }
  return true;
}
