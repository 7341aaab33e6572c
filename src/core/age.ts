const UNIT_SECONDS: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400, w: 604_800 };

/** The seconds of `7d` and the like. Undefined for an empty text. */
export function parseAge(age: string): number | undefined {
  const seconds = Number(age.slice(0, -1)) * (UNIT_SECONDS[age.slice(-1).toLowerCase()] ?? NaN);
  return Number.isFinite(seconds) ? seconds : undefined;
}
