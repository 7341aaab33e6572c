import { activityInfo } from '@temporalio/activity';
import { isServiceError } from '../core/errors.js';
import { toMessage } from '../core/message.js';
import type { Session, Wait } from '../core/session.js';
import { WORTH_TELLING_MS } from '../core/waiting.js';
import type { ActivityDependencies } from './dependencies.js';
import { isRetryable } from './failure.js';

/**
 * Shows that a step waits for something that does not answer. The session's record gets each cause once, the Web UI only the
 * first, whatever number of attempts it takes. Nothing here fails a step: what could not be shown, the next attempt shows.
 */
export interface Waits {
  tell(cause: string): Promise<void>;
  /** Like `tell`, unless the step has only begun. */
  tellIfLasting(cause: string): Promise<void>;
  /** Resolves when what was told is on the record. */
  settle(): Promise<void>;
  /** The step no longer waits. */
  end(): Promise<void>;
  readonly isTold: () => boolean;
}

/** `phase` is the phase whose work waits. */
export function openWaits(
  {
    store,
    tellWaiting,
    logger,
    now,
  }: Pick<ActivityDependencies, 'store' | 'tellWaiting' | 'logger' | 'now'>,
  { jobId, waiting }: Pick<Session, 'jobId' | 'waiting'>,
  phase?: string,
): Waits {
  const { scheduledTimestampMs: begun, currentAttemptScheduledTimestampMs: begunAgain } =
    activityInfo();
  const attempted = performance.now();
  // By Temporal's clock, from which others may differ by hours.
  const beforeMs = Math.max(begunAgain - begun, 0);
  const lastedMs = () => beforeMs + performance.now() - attempted;
  const since = waiting?.since ?? new Date(Date.parse(now()) - beforeMs).toISOString();
  let told = waiting;
  let last = Promise.resolve();
  const attempt = (act: () => Promise<void>) =>
    act().catch((error: unknown) => {
      // The database or Temporal may be the one that is away.
      if (!isServiceError(error)) logger.info({ err: error, jobId }, 'a wait could not be told');
    });
  const inTurn = (act: () => Promise<void>) => (last = last.then(() => attempt(act)));
  const tell = (cause: string) =>
    inTurn(async () => {
      const message = toMessage(`Waiting: ${cause}`);
      if (told !== undefined && isSameCause(told.message, message)) return;
      const wait: Wait = { since, message, ...(phase === undefined ? {} : { phase }) };
      await store.sessions.recordWait(jobId, wait);
      const isFirst = told === undefined;
      told = wait;
      // Only the first cause: each signal adds an event to the history, whose size is limited, and a wait may last for weeks.
      if (isFirst) await tellWaiting?.(jobId, message);
    });
  return {
    tell,
    tellIfLasting: (cause) => (lastedMs() < WORTH_TELLING_MS ? Promise.resolve() : tell(cause)),
    settle: () => last,
    end: () =>
      inTurn(async () => {
        if (told === undefined) return;
        await store.sessions.recordWaitEnd(jobId, told);
        told = undefined;
        await tellWaiting?.(jobId, '');
      }),
    isTold: () => told !== undefined,
  };
}

/** Shows a wait for a dependency that is away while the work is repeated. */
export async function withWaits<T>(waits: Waits, work: () => Promise<T>): Promise<T> {
  try {
    const result = await work();
    await waits.end();
    return result;
  } catch (error) {
    if (isServiceError(error) && isRetryable[error.fault]) await waits.tellIfLasting(error.message);
    throw error;
  }
}

/** Numbers do not count, because milliseconds and ports differ from one attempt to the next. */
function isSameCause(one: string, other: string): boolean {
  return one.replace(/\d+/g, '0') === other.replace(/\d+/g, '0');
}
