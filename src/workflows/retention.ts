import { proxyActivities } from '@temporalio/workflow';
import type { RetentionActivities, RetentionResult } from '../activities/index.js';

const { removeExpired } = proxyActivities<RetentionActivities>({
  startToCloseTimeout: '1h',
  scheduleToCloseTimeout: '1h',
  heartbeatTimeout: '30s',
  retry: { initialInterval: '1s', maximumInterval: '1m' },
});

/** One run of the schedule. The next run does what this one does not get done. */
export function RetentionWorkflow(): Promise<RetentionResult> {
  return removeExpired();
}
