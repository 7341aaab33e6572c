export interface WaitOptions {
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
  /** Completes the error message `Waited … ms for <what>`. */
  readonly what?: string;
}

/** Resolves with the condition's first truthy value. The cause of a timeout is what the condition threw last. */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 120_000, intervalMs = 50, what = 'a condition' }: WaitOptions = {},
): Promise<NonNullable<T>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    let cause: unknown;
    try {
      const value = await condition();
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
