import type { Options } from './options.js';

const UNIT_SECONDS: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400, w: 604_800 };

/** How long a deleted session is kept, so that whoever reads its log or records its end can finish. */
const GRACE_SECONDS = 600;

export interface RetentionPlan {
  /** Sessions that ended by this time are deleted; absent if none are. */
  readonly expiredUntil?: string;
  /** Sessions that were deleted and had ended by this time are removed. */
  readonly deletedUntil: string;
  /** Absent if there is no limit. */
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

/** Parses `7d` and the like. Undefined means never; so does an empty text. */
function toSeconds(age: string): number | undefined {
  const seconds = Number(age.slice(0, -1)) * (UNIT_SECONDS[age.slice(-1).toLowerCase()] ?? NaN);
  return Number.isFinite(seconds) ? seconds : undefined;
}

/** Undefined if it would be before 1970: no session is that old. */
function toPast(now: string, seconds: number): string | undefined {
  const past = Date.parse(now) - seconds * 1000;
  return past < 0 ? undefined : new Date(past).toISOString();
}
