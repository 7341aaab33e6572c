import { activityInfo, cancellationSignal, heartbeat } from '@temporalio/activity';

const BEAT_MS = 2000;

export interface Heartbeat {
  /** The activity's own: a cancel, a worker that shuts down, an attempt that is no longer ours. */
  readonly signal: AbortSignal;
  /** Has every beat from now on, and the failure of this attempt, carry what this returns to the next attempt. */
  readonly carry: (details: () => unknown) => void;
}

/**
 * Runs `work` while telling Temporal that this attempt lives. What earlier attempts carried is kept until it is replaced.
 * Most end before the first beat is due, and then Temporal has nothing to write.
 */
export async function withHeartbeat<T>(
  work: (signal: AbortSignal, beat: Heartbeat) => Promise<T>,
): Promise<T> {
  const signal = cancellationSignal();
  const carried: unknown = activityInfo().heartbeatDetails;
  let details: () => unknown = () => carried;
  const beat = () => heartbeat(details());
  const carry: Heartbeat['carry'] = (next) => {
    details = next;
  };
  if (carried !== undefined) beat();
  const timer = setInterval(beat, BEAT_MS);
  try {
    return await work(signal, { signal, carry });
  } catch (error) {
    if (details() !== undefined) beat();
    throw error;
  } finally {
    clearInterval(timer);
  }
}
