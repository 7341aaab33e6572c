export interface WaitOptions {
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
  /** Completes the error message `Waited … ms for <what>`. */
  readonly what?: string;
}

/** What a condition always gets, so that a short time limit does not cut off its only call. */
const LAST_CALL_MS = 10_000;

/**
 * Resolves with the condition's first truthy value. The cause of a timeout is what the condition threw last, or that it did
 * not settle.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 120_000, intervalMs = 50, what = 'a condition' }: WaitOptions = {},
): Promise<NonNullable<T>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    let cause: unknown;
    try {
      const value = await settle(condition, Math.max(deadline - Date.now(), LAST_CALL_MS));
      if (value) return value;
    } catch (error) {
      cause = error;
    }
    if (Date.now() >= deadline) {
      throw new Error(`Waited ${timeoutMs} ms for ${what} in vain.`, { cause });
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}

/** Rejects if the condition has not settled when the time is over. What it does afterwards is ignored. */
async function settle<T>(condition: () => T | Promise<T>, timeoutMs: number): Promise<T> {
  const over = Promise.withResolvers<never>();
  const reject = () => over.reject(new Error('The condition has not settled.'));
  const timer = setTimeout(reject, timeoutMs);
  try {
    return await Promise.race([condition(), over.promise]);
  } finally {
    clearTimeout(timer);
  }
}
