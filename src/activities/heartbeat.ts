import { activityInfo, cancellationSignal, heartbeat } from '@temporalio/activity';

const BEAT_MS = 2000;

export interface Heartbeat {
  /** The activity's own: a cancel, a worker that shuts down, an attempt that is no longer ours. */
  readonly signal: AbortSignal;
  /** Has every beat, the first at once, carry what this returns to the next attempt. */
  readonly carry: (details: () => unknown) => void;
}

/** Runs `work` while telling Temporal that this attempt lives. What earlier attempts carried is kept until it is replaced. */
export async function withHeartbeat<T>(
  work: (signal: AbortSignal, beat: Heartbeat) => Promise<T>,
): Promise<T> {
  const signal = cancellationSignal();
  const carried: unknown = activityInfo().heartbeatDetails;
  let details: () => unknown = () => carried;
  const beat = () => heartbeat(details());
  const carry: Heartbeat['carry'] = (next) => {
    details = next;
    beat();
  };
  beat();
  const timer = setInterval(beat, BEAT_MS);
  try {
    return await work(signal, { signal, carry });
  } finally {
    clearInterval(timer);
  }
}
