import { proxyActivities } from '@temporalio/workflow';
import type { SweepActivities, SweepSummary } from '../activities/sweep-activities.js';

/** A single attempt, because the next sweep comes soon and does what this one has left. */
const { sweep } = proxyActivities<SweepActivities>({
  startToCloseTimeout: '10m',
  heartbeatTimeout: '30s',
  retry: { maximumAttempts: 1 },
});

/** Started by the schedule, never twice at a time. */
export async function SweepWorkflow(): Promise<SweepSummary> {
  return sweep();
}
