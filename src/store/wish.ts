import { sql, type SqlBool } from 'kysely';

/** Before every moment: a wish that nobody has taken. */
export const AT_ONCE = '1970-01-01T00:00:00.000Z';

/** What Temporal does not know yet. The index holds exactly these rows; SQLite uses it where a query repeats these words. */
export const isWish = sql<SqlBool>`state <> 'complete' and ((desired = 'run' and dispatched = 'none') or (desired <> 'run' and dispatched <> 'cancelled'))`;

/** What Temporal has and what is not over: the sweeper's. Its index holds exactly the rows that are not complete. */
export const isUnfinished = sql<SqlBool>`state <> 'complete' and dispatched <> 'none'`;
