import { sql, type SqlBool } from 'kysely';

/** A time before every other: a wish that may be taken at once. */
export const AT_ONCE = '1970-01-01T00:00:00.000Z';

/** Something of the session is to be told to Temporal. The index holds exactly these rows; SQLite uses it where a query repeats these words. */
export const isWish = sql<SqlBool>`state <> 'complete' and ((desired = 'run' and dispatched = 'none') or (desired <> 'run' and dispatched <> 'cancelled') or admission_due = 1)`;

/** The session is claimed, and waits for a place. Who waits for hosts is not: until then others may have it. */
export const isQueued = sql<SqlBool>`state <> 'complete' and queued_at is not null and admitted_at is null and waits_for is null`;

/** The session waits for hosts that another one has. */
export const isBehind = sql<SqlBool>`state <> 'complete' and waits_for is not null`;

/** The session has hosts, or waits for them. */
export const hasTurn = sql<SqlBool>`state <> 'complete' and host_turn is not null`;

/** The session has a place. */
export const isAdmitted = sql<SqlBool>`state <> 'complete' and admitted_at is not null`;

/** 1: the end of a session is noted for those who are to be told. */
export const isNoted = sql<number>`(select notifies from deployment where deployment.id = 1)`;

/** Temporal was told of the session, and it is not complete: what the sweep looks at. */
export const isUnfinished = sql<SqlBool>`state <> 'complete' and dispatched <> 'none'`;
