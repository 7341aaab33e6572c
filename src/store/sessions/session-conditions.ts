import { sql, type SqlBool } from 'kysely';

// Worded like the conditions of the partial indexes: SQLite uses such an index only if a query repeats its condition.

/** The session is not deleted. */
export const isLive = sql<SqlBool>`deleted_at is null`;

/** The session is not complete. Its states are named, so that an index by state serves the condition. */
export const isOpen = sql<SqlBool>`state in ('pending', 'running')`;

/** Temporal must still be told something about the session. */
export const isWish = sql<SqlBool>`state <> 'complete' and ((desired = 'run' and dispatched = 'none') or (desired <> 'run' and dispatched <> 'cancelled') or admission_due = 1)`;

/** The session is claimed and waits for a place. One that waits for hosts is not queued, so others may have the place. */
export const isQueued = sql<SqlBool>`state <> 'complete' and queued_at is not null and admitted_at is null and waits_for is null`;

/** The session is claimed and has no place, whatever it waits for. */
export const isWithoutPlace = sql<SqlBool>`state <> 'complete' and queued_at is not null and admitted_at is null`;

/** The session waits for hosts, because another session goes first. */
export const isBehind = sql<SqlBool>`state <> 'complete' and waits_for is not null`;

/** The session has hosts, or waits for them. */
export const hasTurn = sql<SqlBool>`state <> 'complete' and host_turn is not null`;

/** The session has a place. */
export const isAdmitted = sql<SqlBool>`state <> 'complete' and admitted_at is not null`;

/** The session is not complete, and Temporal was told of it: what the sweep looks at. */
export const isUnfinished = sql<SqlBool>`state <> 'complete' and dispatched <> 'none'`;

/** 1 if the ends of sessions are noted for webhooks. */
export const isNoted = sql<number>`(select notifies from deployment where deployment.id = 1)`;

/** Earlier than every other time: a wish with this `wish_at` may be taken at once. */
export const AT_ONCE = '1970-01-01T00:00:00.000Z';
