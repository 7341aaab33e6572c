import { withHeartbeat } from './heartbeat.js';
import { removeOld, type RemovalDependencies, type RetentionResult } from './removal.js';

export type { RetentionResult };

export interface RetentionActivities {
  readonly removeExpired: () => Promise<RetentionResult>;
}

export function createRetentionActivities(deps: RemovalDependencies): RetentionActivities {
  return { removeExpired: () => withHeartbeat((signal) => removeOld(deps, signal)) };
}
