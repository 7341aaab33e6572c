import { activityInfo, cancellationSignal, heartbeat } from '@temporalio/activity';

const BEAT_MS = 2000;

export interface Heartbeat {
  /** Aborted by a cancel, by a shutdown of the worker, and once Temporal has given this attempt up. */
  readonly signal: AbortSignal;
  /** From now on every heartbeat, and the failure of this attempt, carries what `details` returns to the next attempt. */
  readonly carry: (details: () => unknown) => void;
}

/**
 * Runs `work` while telling Temporal that this attempt is alive. What earlier attempts carried is kept until it
 * is replaced. Most activities end before the first heartbeat is due, so that Temporal has nothing to write.
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
