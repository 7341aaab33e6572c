import { sql, type SqlBool } from 'kysely';

/** Earlier than every other time: a wish with this `wish_at` may be taken at once. */
export const AT_ONCE = '1970-01-01T00:00:00.000Z';

/** Temporal must still be told something about the session. Worded like the condition of the partial index, for SQLite. */
export const isWish = sql<SqlBool>`state <> 'complete' and ((desired = 'run' and dispatched = 'none') or (desired <> 'run' and dispatched <> 'cancelled') or admission_due = 1)`;

/** The session is claimed and waits for a place. One that waits for hosts is not queued, so others may have the place. */
export const isQueued = sql<SqlBool>`state <> 'complete' and queued_at is not null and admitted_at is null and waits_for is null`;

/** The session waits for hosts, because another session goes first. */
export const isBehind = sql<SqlBool>`state <> 'complete' and waits_for is not null`;

/** The session has hosts, or waits for them. */
export const hasTurn = sql<SqlBool>`state <> 'complete' and host_turn is not null`;

/** The session has a place. */
export const isAdmitted = sql<SqlBool>`state <> 'complete' and admitted_at is not null`;

/** 1 if the ends of sessions are noted for webhooks. */
export const isNoted = sql<number>`(select notifies from deployment where deployment.id = 1)`;

/** The session is not complete, and Temporal was told of it: what the sweep looks at. */
export const isUnfinished = sql<SqlBool>`state <> 'complete' and dispatched <> 'none'`;
