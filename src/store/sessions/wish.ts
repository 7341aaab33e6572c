import { sql, type SqlBool } from 'kysely';

/** Before every moment: a wish that nobody has taken. */
export const AT_ONCE = '1970-01-01T00:00:00.000Z';

/** What Temporal does not know yet. The index holds exactly these rows; SQLite uses it where a query repeats these words. */
export const isWish = sql<SqlBool>`state <> 'complete' and ((desired = 'run' and dispatched = 'none') or (desired <> 'run' and dispatched <> 'cancelled') or admission_due = 1)`;

/** Claimed, and waiting for a place. */
export const isQueued = sql<SqlBool>`state <> 'complete' and queued_at is not null and admitted_at is null`;

/** Holds a place. */
export const isAdmitted = sql<SqlBool>`state <> 'complete' and admitted_at is not null`;

/** What Temporal has and what is not over: the sweeper's. Its index holds exactly the rows that are not complete. */
export const isUnfinished = sql<SqlBool>`state <> 'complete' and dispatched <> 'none'`;
