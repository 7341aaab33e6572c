import { proxyActivities } from '@temporalio/workflow';
import type { SweepActivities, SweepSummary } from '../activities/sweep-activities.js';

/** One try: the next sweep comes soon enough, and takes up what this one left. */
const { sweep } = proxyActivities<SweepActivities>({
  startToCloseTimeout: '10m',
  heartbeatTimeout: '30s',
  retry: { maximumAttempts: 1 },
});

/** What the Schedule starts; never two at a time. */
export async function SweepWorkflow(): Promise<SweepSummary> {
  return sweep();
}
