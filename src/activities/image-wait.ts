import { setTimeout as pause } from 'node:timers/promises';
import { isServiceError } from '../core/errors.js';
import { isRetryable } from './failure.js';
import type { PhaseLog } from './phase-log.js';

/** How often the log says that nothing has changed. */
const TELL_MS = 30_000;
const FIRST_PAUSE_MS = 100;
/** Pauses grow with the wait: on average an answer is noticed late by a twentieth of the wait. */
const PAUSE_GROWTH = 1.1;
const MAX_PAUSE_MS = 5000;

export interface WaitOptions {
  readonly log?: PhaseLog;
  readonly signal: AbortSignal;
  /** Called at each answer with what is waited for. */
  readonly tell?: (text: string) => void;
}

/**
 * Asks until there is a value, because IMS has no events: often at first, then less and less often; at
 * once if IMS itself has held back its answer for as long as the pause. The log shows each change of
 * what is waited for, and every 30 s that it is unchanged. An IMS that is away is waited for as well.
 */
export async function waitForImage<T>(
  ask: () => Promise<{ readonly value: T } | { readonly waiting: string }>,
  { log, signal, tell }: WaitOptions,
): Promise<T> {
  let told = { text: '', at: 0 };
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * PAUSE_GROWTH, MAX_PAUSE_MS)) {
    const asked = performance.now();
    const answer = await ask().catch((error: unknown) => {
      signal.throwIfAborted();
      if (!isServiceError(error) || !isRetryable[error.fault] || error.reason === undefined)
        throw error;
      return { waiting: error.message };
    });
    if ('value' in answer) return answer.value;
    const { waiting } = answer;
    tell?.(waiting);
    if (waiting !== told.text || performance.now() - told.at >= TELL_MS) {
      told = { text: waiting, at: performance.now() };
      await log?.write(waiting);
    }
    const left = asked + pauseMs - performance.now();
    if (left > 0) await pause(left, undefined, { signal });
  }
}
