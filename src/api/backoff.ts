const MIN_MS = 200;
const MAX_MS = 10_000;

/** Shared by all calls to one server: while it does not answer, they all wait for the next attempt, and the pauses grow. */
export interface Backoff {
  /** Returns the milliseconds until the next attempt. Calls that fail together count as one failure. */
  fail(): number;
  succeed(): void;
  /** Milliseconds until the next call is allowed; 0: now. */
  delayMs(): number;
  readonly isFailing: () => boolean;
}

export function createBackoff(): Backoff {
  let stepMs = 0;
  let until = 0;
  const delayMs = () => Math.max(0, Math.ceil(until - performance.now()));
  return {
    delayMs,
    isFailing: () => stepMs > 0,
    fail() {
      if (delayMs() === 0) {
        stepMs = Math.min(MAX_MS, Math.max(MIN_MS, stepMs * 2));
        until = performance.now() + stepMs;
      }
      return delayMs();
    },
    succeed() {
      stepMs = 0;
      until = 0;
    },
  };
}
