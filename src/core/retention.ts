import { parseAge } from './age.js';
import type { Options } from './options.js';

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
  const ttl = parseAge(sessionTtl);
  const expiredUntil = ttl === undefined ? undefined : toPast(now, ttl);
  return {
    deletedUntil: toPast(now, GRACE_SECONDS) ?? now,
    ...(expiredUntil === undefined ? {} : { expiredUntil }),
    ...(logStoreMaxBytes === 0 ? {} : { maxLogBytes: logStoreMaxBytes }),
  };
}

/** Undefined if it would be before 1970: no session is that old. */
function toPast(now: string, seconds: number): string | undefined {
  const past = Date.parse(now) - seconds * 1000;
  return past < 0 ? undefined : new Date(past).toISOString();
}
