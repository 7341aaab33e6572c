import { cancellationSignal, heartbeat } from '@temporalio/activity';

const BEAT_MS = 2000;

/**
 * Runs `work` while telling Temporal that this attempt lives. The signal that it gets is the activity's own: a cancel, a
 * worker that shuts down, an attempt that is no longer ours.
 */
export async function withHeartbeat<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  heartbeat();
  const timer = setInterval(heartbeat, BEAT_MS);
  try {
    return await work(cancellationSignal());
  } finally {
    clearInterval(timer);
  }
}
