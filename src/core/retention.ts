import type { Options } from './options.js';

const UNIT_SECONDS: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Who reads a log, or records the end, of a session that is deleted meanwhile has this long to come to an end. */
const GRACE_SECONDS = 600;

export interface RetentionPlan {
  /** Sessions that ended by then are deleted; absent: none. */
  readonly expiredUntil?: string;
  /** Those that were deleted and had ended by then are removed. */
  readonly deletedUntil: string;
  /** Absent: no limit. */
  readonly maxLogBytes?: number;
}

export function planRetention(
  { sessionTtl, logStoreMaxBytes }: Pick<Options, 'sessionTtl' | 'logStoreMaxBytes'>,
  now: string,
): RetentionPlan {
  const ttl = toSeconds(sessionTtl);
  const expiredUntil = ttl === undefined ? undefined : toPast(now, ttl);
  return {
    deletedUntil: toPast(now, GRACE_SECONDS) ?? now,
    ...(expiredUntil === undefined ? {} : { expiredUntil }),
    ...(logStoreMaxBytes === 0 ? {} : { maxLogBytes: logStoreMaxBytes }),
  };
}

/** `7d` and the like; empty: never. */
function toSeconds(age: string): number | undefined {
  const seconds = Number(age.slice(0, -1)) * (UNIT_SECONDS[age.slice(-1).toLowerCase()] ?? NaN);
  return Number.isFinite(seconds) ? seconds : undefined;
}

/** Undefined: before there were any sessions. */
function toPast(now: string, seconds: number): string | undefined {
  const past = Date.parse(now) - seconds * 1000;
  return past < 0 ? undefined : new Date(past).toISOString();
}
