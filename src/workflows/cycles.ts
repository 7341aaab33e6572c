import {
  continueAsNew,
  proxyActivities,
  setCurrentDetails,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { CycleActivities, CycleReport } from '../activities/cycles.js';

/** A cycle writes about ten events into the history. */
const MOST_CYCLES = 100;

/** Whatever ends one try, the next begins where the database stands. */
const { runBatcherCycle, syncHardware } = proxyActivities<CycleActivities>({
  startToCloseTimeout: '10m',
  heartbeatTimeout: '30s',
  retry: { initialInterval: '1s', maximumInterval: '30s' },
});

/** Sends nodes that wait to be configured to sessions, a batch each; one in a deployment. Ends when it is not wanted any more. */
export async function BatcherWorkflow(): Promise<void> {
  if (await repeat(runBatcherCycle)) await continueAsNew<typeof BatcherWorkflow>();
}

/** Makes a component of every node that the hardware state manager knows. */
export async function HardwareSyncWorkflow(): Promise<void> {
  if (await repeat(syncHardware)) await continueAsNew<typeof HardwareSyncWorkflow>();
}

/** False: it is not wanted any more. */
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
