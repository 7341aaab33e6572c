/** How long what is due may be late. */
const LATE_SECONDS = 60;

export interface Stillness {
  /** Whether `mark` has been the same for `seconds` and a little more, as far as this process has seen. Absent: never. */
  isLate(id: string, mark: string | undefined, seconds: number): boolean;
}

/**
 * Notices that Temporal does not do what is due: if its clock is set back by an hour, its timers fire an hour late. `clock` tells
 * milliseconds, and nobody sets it.
 */
export function createStillness(clock: () => number = () => performance.now()): Stillness {
  const seen = new Map<string, { readonly mark: string | undefined; readonly since: number }>();
  return {
    isLate(id, mark, seconds) {
      const known = seen.get(id);
      if (mark !== undefined && known?.mark === mark)
        return clock() - known.since > (seconds + LATE_SECONDS) * 1000;
      seen.set(id, { mark, since: clock() });
      return false;
    },
  };
}
