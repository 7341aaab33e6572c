import { activityInfo } from '@temporalio/activity';
import { isServiceError, ServiceError, type Reason } from '../core/errors.js';
import { WORTH_TELLING_MS } from '../core/waiting.js';
import { isRetryable, toFailure } from './failure.js';
import type { Heartbeat } from './heartbeat.js';
import type { Waits } from './waits.js';

/** How long a step may try to read an external source. */
export interface SourceLimit {
  /** 0 = for ever. */
  readonly seconds: number;
  /** The option that sets the limit. */
  readonly option: string;
  /** What is read, as the subject of a message: "The inventory". */
  readonly what: string;
  /** What went wrong with it; default "could not be read". */
  readonly failed?: string;
  readonly reason: Reason;
  /** A sentence that says what has not answered, for so many seconds. */
  readonly toSilence: (seconds: number) => string;
}

const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 30_000;
/** With less time left there is no further attempt: Temporal's timers are accurate to a second. */
const MIN_LEFT_MS = 1000;

/**
 * Reads a source, and has Temporal repeat a failed read until the limit. Only time of workers
 * counts: their work, and the pauses that they ask for. Each attempt carries what all have
 * used up on to the next. So a session does not fail because its worker was away. `onMove` lets
 * this attempt's time begin anew: it only waited for its turn, and the source answers others.
 */
export async function readWithin<T>(
  limit: SourceLimit,
  { signal, carry }: Heartbeat,
  waits: Waits,
  read: (signal: AbortSignal, onMove: () => void) => Promise<T>,
): Promise<T> {
  let began = performance.now();
  const before = readUsedMs(activityInfo().heartbeatDetails);
  const used = () => Math.round(before + performance.now() - began);
  const left = () =>
    limit.seconds === 0 ? Number.POSITIVE_INFINITY : limit.seconds * 1000 - used();
  carry(() => ({ usedMs: used() }));
  const deadline = openDeadline(left());
  const silence = watchSilence(limit, waits);
  try {
    const result = await read(AbortSignal.any([signal, deadline.signal]), () => {
      began = performance.now();
      deadline.set(left());
    });
    await waits.end();
    return result;
  } catch (error) {
    signal.throwIfAborted();
    if (deadline.signal.aborted)
      throw toEnd(limit, limit.toSilence(Math.round((performance.now() - began) / 1000)));
    if (!isServiceError(error) || !isRetryable[error.fault]) throw error;
    if (left() < MIN_LEFT_MS) throw toEnd(limit, error.message);
    const delayMs = toDelayMs(left());
    const usedMs = used() + delayMs;
    await waits.tellIfLasting(`${error.message} ${toPatience(limit)}`);
    carry(() => ({ usedMs }));
    throw toFailure(error, { delayMs });
  } finally {
    clearTimeout(silence);
    deadline.close();
  }
}

/** Reports a source that hangs, because it gives no error that could be reported. */
function watchSilence(limit: SourceLimit, waits: Waits): NodeJS.Timeout {
  return setTimeout(() => {
    if (!waits.isTold())
      void waits.tell(`${limit.toSilence(WORTH_TELLING_MS / 1000)} ${toPatience(limit)}`);
  }, WORTH_TELLING_MS);
}

function toPatience({ seconds, option }: SourceLimit): string {
  return seconds === 0
    ? `Retrying until it answers (${option}).`
    : `Retrying for up to ${seconds} s (${option}).`;
}

/** Written by an earlier attempt of this function, or absent. */
function readUsedMs(details: unknown): number {
  if (typeof details !== 'object' || details === null || !('usedMs' in details)) return 0;
  return typeof details.usedMs === 'number' ? details.usedMs : 0;
}

/** A pause is at most half of the time that is left, so that the last attempt is made near the limit. */
function toDelayMs(leftMs: number): number {
  const { attempt } = activityInfo();
  return Math.round(Math.min(FIRST_DELAY_MS * 2 ** (attempt - 1), MAX_DELAY_MS, leftMs / 2));
}

const MAX_TIMER_MS = 2 ** 31 - 1;

function openDeadline(firstMs: number) {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const set = (leftMs: number) => {
    clearTimeout(timer);
    if (leftMs <= MAX_TIMER_MS) timer = setTimeout(() => controller.abort(), Math.max(leftMs, 0));
  };
  set(firstMs);
  return {
    signal: controller.signal,
    set,
    close() {
      clearTimeout(timer);
      // If one of several reads fails, the others end with it.
      controller.abort();
    },
  };
}

function toEnd(
  { what, failed = 'could not be read', seconds, option, reason }: SourceLimit,
  last: string,
): Error {
  const message = `${what} ${failed} within ${seconds} s (${option}). ${last}`;
  return new ServiceError('rejected', message, { reason });
}
