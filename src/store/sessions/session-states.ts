import { sql, type SqlBool } from 'kysely';

/** Worded like the conditions of the partial indexes: SQLite uses such an index only if a query repeats its condition. */
export const isOpen = sql<SqlBool>`state in ('pending', 'running')`;
export const isLive = sql<SqlBool>`deleted_at is null`;
