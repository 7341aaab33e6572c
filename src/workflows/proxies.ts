import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.js';

/** Retries are at most ten seconds apart, so that the end of a phase is noticed within thirty. */
const retry = { initialInterval: '200ms', backoffCoefficient: 2, maximumInterval: '10s' } as const;

/** Reads and writes of the record. A database that is away for days delays the session but does not fail it. */
export const record = proxyActivities<Activities>({
  startToCloseTimeout: '30s',
  scheduleToCloseTimeout: '30d',
  heartbeatTimeout: '10s',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry,
});

/**
 * Reads of git, HSM and IMS before anything runs, and the launch. The activities limit themselves: a read by the
 * time that workers have spent on it, the launch by failures in a row. Neither attempts nor elapsed time can be
 * the limit, because both also grow while no worker or no database is there, and a session must not fail for that.
 */
export const prepare = proxyActivities<Activities>({
  startToCloseTimeout: '10m',
  scheduleToCloseTimeout: '30d',
  // A cancel reaches the activity with a heartbeat, and heartbeats are sent at four fifths of this interval.
  heartbeatTimeout: '6s',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry,
});

/** Waits for IMS, which the activities limit as the options say. A cancel must reach them as soon as the steps above. */
export const wait = proxyActivities<Activities>({
  startToCloseTimeout: '3650d',
  heartbeatTimeout: '6s',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry,
});

/**
 * Actions on the job, retried until they succeed because nobody else would do them. Without
 * heartbeats, the death of a worker would cost the five minutes of an attempt.
 */
export const act = proxyActivities<Activities>({
  startToCloseTimeout: '5m',
  scheduleToCloseTimeout: '30d',
  heartbeatTimeout: '10s',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry,
});

/**
 * One activity per phase, which lasts as long as the phase; the job enforces the phase's time limit. The heartbeat timeout
 * ends the attempt of a killed worker. It is also less than the thirty seconds within which the end of a phase is noticed.
 */
export const observe = proxyActivities<Activities>({
  startToCloseTimeout: '3650d',
  heartbeatTimeout: '25s',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry,
});

/** Undo, retried for about an hour. What still fails is then named on the record and left to the sweep. */
export const compensate = proxyActivities<Activities>({
  startToCloseTimeout: '5m',
  scheduleToCloseTimeout: '30d',
  heartbeatTimeout: '10s',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: { ...retry, maximumInterval: '30s', maximumAttempts: 130 },
});

/** Options of an activity on a local job, which only its own machine can reach. Undefined: any worker can run the activity. */
export function onQueue(taskQueue: string | undefined) {
  return {
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    ...(taskQueue === undefined ? {} : { taskQueue }),
  };
}
