const COMPARE_MS = 30_000;
/** Synchronized clocks differ by less than this. Such differences are ignored, so that the times of one process do not jump. */
const AGREED_MS = 1000;

export interface SharedClock {
  readonly now: () => string;
  close(): void;
}

interface Comparison {
  /** Milliseconds by which the local clock was ahead. */
  readonly aheadMs: number;
  /** How far the local clock had been set until then. */
  readonly setMs: number;
}

/**
 * Follows the clock that all processes `ask`, because processes sort and compare each other's times and a machine's own clock
 * may be hours off, and may be set at any moment. Without an answer, the last known difference applies. `now` returns an ISO
 * string.
 */
export async function followClock(
  ask: () => Promise<string>,
  compareMs = COMPARE_MS,
): Promise<SharedClock> {
  let last = await compare(ask);
  let asking: Promise<void> | undefined;
  const renew = () =>
    (asking ??= compare(ask)
      .then(
        (found) => void (last = found),
        () => undefined,
      )
      .finally(() => (asking = undefined)));
  const timer = setInterval(() => void renew(), compareMs);
  return {
    now() {
      const wasSetMs = readSet() - last.setMs;
      const isSet = Math.abs(wasSetMs) > AGREED_MS;
      // Perhaps this machine was suspended, and all other clocks went on.
      if (isSet) void renew();
      return new Date(Date.now() - last.aheadMs - (isSet ? wasSetMs : 0)).toISOString();
    },
    close: () => clearInterval(timer),
  };
}

async function compare(ask: () => Promise<string>): Promise<Comparison> {
  const asked = performance.now();
  const told = Date.parse(await ask());
  const tookMs = performance.now() - asked;
  const now = Date.now();
  const isAgreed = told > now - tookMs - AGREED_MS && told < now + AGREED_MS;
  return { aheadMs: isAgreed ? 0 : now - told, setMs: readSet() };
}

/** Changes by as much as the local clock is set. */
function readSet(): number {
  return Date.now() - performance.now();
}
