import type { Session } from './session.js';

/** What a machine does about a job that it holds. */
export type JobFate =
  | 'keep'
  /** The record lacks it, as after a restore: the job is this session's. */
  | 'adopt'
  /** The session is over, so nobody watches it any more. */
  | 'stop'
  | 'remove';

export interface HeldJob {
  readonly incarnation: string;
  readonly state: 'prepared' | 'running' | 'ended';
  /** Absent where it has not ended, or nobody saw it end. */
  readonly endedAt?: string;
}

export interface FateTimes {
  /** What ended before is kept no longer; ISO. */
  readonly expiry: string;
  /** What runs although its session was over before is nobody's; ISO. */
  readonly abandon: string;
}

/** A job without a record runs to its end: it may be that of a session which a restored database does not know yet. */
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
    // Another may run instead, so this one never will; it holds keys.
    return job.state === 'prepared' && job.incarnation !== session.incarnation ? 'remove' : 'keep';
  }
  const completedAt = session.completedAt ?? '';
  if (completedAt <= expiry) return 'remove';
  if (job.state === 'prepared') return completedAt <= abandon ? 'remove' : 'keep';
  return job.state === 'running' && completedAt <= abandon ? 'stop' : 'keep';
}
