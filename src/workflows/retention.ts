import { proxyActivities } from '@temporalio/workflow';
import type { RetentionActivities, RetentionResult } from '../activities/index.js';

const { removeExpired } = proxyActivities<RetentionActivities>({
  startToCloseTimeout: '1h',
  scheduleToCloseTimeout: '1h',
  heartbeatTimeout: '30s',
  retry: { initialInterval: '1s', maximumInterval: '1m' },
});

/** One run of the schedule; what it does not get done the next one does. */
export function RetentionWorkflow(): Promise<RetentionResult> {
  return removeExpired();
}
