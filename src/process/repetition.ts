export interface Repetition {
  /** Resolves when the first run has ended. */
  readonly first: Promise<void>;
  /** Starts no more runs, and waits for the one that is under way. */
  readonly close: () => Promise<void>;
}

/** Runs `act`, which must not fail, at once and then by timer. While it runs, the timer starts no other run. */
export function startRepetition(act: () => Promise<void>, intervalMs: number): Repetition {
  let running: Promise<void> | undefined;
  const run = () => (running ??= act().finally(() => (running = undefined)));
  const first = run();
  const timer = setInterval(() => void run(), intervalMs);
  return {
    first,
    async close() {
      clearInterval(timer);
      await running;
    },
  };
}
