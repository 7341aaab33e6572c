import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.js';

/** What was away and is back is noticed within ten seconds, so that an end is seen within thirty. */
const retry = { initialInterval: '200ms', backoffCoefficient: 2, maximumInterval: '10s' } as const;

/** Reads and writes of the record. A database that is away for days costs the session time, not its result. */
export const record = proxyActivities<Activities>({
  startToCloseTimeout: '30s',
  scheduleToCloseTimeout: '30d',
  heartbeatTimeout: '10s',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry,
});

/**
 * Reads of git, HSM and IMS before anything runs, and the launch. What limits them lies in the activities: a source by the
 * time that workers have tried to read it, the launch by failures in a row. Neither tries nor the clock could: both also go
 * on while no worker or no database is there, and a session must not fail because its worker was away.
 */
export const prepare = proxyActivities<Activities>({
  startToCloseTimeout: '10m',
  scheduleToCloseTimeout: '30d',
  // A cancel reaches the activity with a beat, and beats go out at four fifths of this.
  heartbeatTimeout: '6s',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry,
});

/** The waits for IMS: as long as its options say, and then some. A cancel reaches them like the steps above. */
export const wait = proxyActivities<Activities>({
  startToCloseTimeout: '3650d',
  heartbeatTimeout: '6s',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry,
});

/** Acts on the job: repeated until done, because nobody else would. Without beats, a worker's death would cost five minutes. */
export const act = proxyActivities<Activities>({
  startToCloseTimeout: '5m',
  scheduleToCloseTimeout: '30d',
  heartbeatTimeout: '10s',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry,
});

/**
 * One activity per phase, as long as the phase; the phase's own limit is enforced in the job. A killed worker's attempt is
 * given up after the heartbeat time-out: that, too, is less than the thirty seconds within which an end is to be seen.
 */
export const observe = proxyActivities<Activities>({
  startToCloseTimeout: '3650d',
  heartbeatTimeout: '25s',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry,
});

/** Undo: some hour of tries, then it is named on the record and left behind. */
export const compensate = proxyActivities<Activities>({
  startToCloseTimeout: '5m',
  scheduleToCloseTimeout: '30d',
  heartbeatTimeout: '10s',
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: { ...retry, maximumInterval: '30s', maximumAttempts: 130 },
});

/** Options of an activity on a local job, which lives on one machine: it goes to a queue of that machine and nowhere else. */
export function onQueue(taskQueue: string | undefined) {
  return {
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    ...(taskQueue === undefined ? {} : { taskQueue }),
  };
}
