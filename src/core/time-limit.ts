/** The timeout of each signal that `limitTime` has made. */
const timeouts = new WeakMap<AbortSignal, AbortSignal>();

/**
 * Returns a signal that aborts with the first of these, or after so many milliseconds. A combined signal does not keep its
 * sources: a timeout that nobody else refers to is collected as garbage while nobody listens, and then never comes.
 */
export function limitTime(milliseconds: number, ...signals: readonly AbortSignal[]): AbortSignal {
  const timeout = AbortSignal.timeout(milliseconds);
  const limited = AbortSignal.any([...signals, timeout]);
  timeouts.set(limited, timeout);
  return limited;
}
