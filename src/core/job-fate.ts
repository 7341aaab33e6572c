import type { Session } from './session.js';

/** What a machine does with a job that it holds. */
export type JobFate =
  | 'keep'
  /** The record lacks the launch, as after a restore: record this job as the session's. */
  | 'adopt'
  /** The session is over, so nobody watches the job any more. */
  | 'stop'
  | 'remove';

export interface HeldJob {
  readonly incarnation: string;
  readonly state: 'prepared' | 'running' | 'ended';
  /** Absent if it has not ended, or if nobody saw it end. */
  readonly endedAt?: string;
}

export interface FateTimes {
  /** ISO. What ended by this time is not kept any longer. */
  readonly expiry: string;
  /** ISO. A job that is still there although its session ended by this time is stopped, or removed if it was only prepared. */
  readonly abandon: string;
}

/** A job without a record runs to its end, because it may belong to a session that a restored database does not have. */
export function decideJobFate(
  job: HeldJob,
  session: Pick<Session, 'state' | 'completedAt' | 'launchedAt' | 'incarnation'> | undefined,
  { expiry, abandon }: FateTimes,
): JobFate {
  if (session === undefined) {
    if (job.state === 'running') return 'keep';
    return job.endedAt === undefined || job.endedAt <= expiry ? 'remove' : 'keep';
  }
  if (session.state !== 'complete') {
    if (session.launchedAt === undefined) return job.state === 'prepared' ? 'keep' : 'adopt';
    // The record names another incarnation, so this one will never run. It holds keys.
    return job.state === 'prepared' && job.incarnation !== session.incarnation ? 'remove' : 'keep';
  }
  const completedAt = session.completedAt ?? '';
  if (completedAt <= expiry) return 'remove';
  if (job.state === 'prepared') return completedAt <= abandon ? 'remove' : 'keep';
  return job.state === 'running' && completedAt <= abandon ? 'stop' : 'keep';
}
