const COMPARE_MS = 30_000;
/** Synchronized clocks differ by less than this. Such differences are ignored, so that the times of one process do not jump. */
const AGREED_MS = 1000;

export interface SharedClock {
  readonly now: () => string;
  close(): void;
}

/**
 * Follows the clock that all processes `ask`, because processes sort and compare each other's times and a machine's own clock
 * may be hours off. Without an answer, the last known difference applies. `now` returns an ISO string.
 */
export async function followClock(
  ask: () => Promise<string>,
  compareMs = COMPARE_MS,
): Promise<SharedClock> {
  let aheadMs = await compare(ask);
  const timer = setInterval(() => {
    compare(ask).then(
      (found) => (aheadMs = found),
      () => undefined,
    );
  }, compareMs);
  return {
    now: () => new Date(Date.now() - aheadMs).toISOString(),
    close: () => clearInterval(timer),
  };
}

/** Milliseconds by which the local clock is ahead. */
async function compare(ask: () => Promise<string>): Promise<number> {
  const before = Date.now();
  const told = Date.parse(await ask());
  const after = Date.now();
  return told > before - AGREED_MS && told < after + AGREED_MS ? 0 : after - told;
}
