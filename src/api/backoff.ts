const MIN_MS = 200;
const MAX_MS = 10_000;

/** Shared by all who ask the same server: while that does not answer, they all wait for the next try, and the pauses grow. */
export interface Backoff {
  /** Milliseconds until the next try; calls that failed together count once. */
  fail(): number;
  succeed(): void;
  /** Milliseconds until somebody may ask; 0: now. */
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
