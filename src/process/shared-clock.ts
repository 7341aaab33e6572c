const COMPARE_MS = 30_000;
/** Clocks that are looked after differ by less, and times of one process are not to jump for that. */
const AGREED_MS = 1000;

export interface SharedClock {
  readonly now: () => string;
  close(): void;
}

/**
 * The time, ISO, by the clock that all processes `ask`: what one has written another sorts and compares, and a machine's own
 * clock may be hours off. While there is no answer the two differ by what they last did.
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

/** How far our own is ahead. */
async function compare(ask: () => Promise<string>): Promise<number> {
  const before = Date.now();
  const told = Date.parse(await ask());
  const after = Date.now();
  return told > before - AGREED_MS && told < after + AGREED_MS ? 0 : after - told;
}
