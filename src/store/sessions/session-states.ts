import { sql, type SqlBool } from 'kysely';

/** In the words of the partial indexes: SQLite uses one only where a query repeats them. */
export const isOpen = sql<SqlBool>`state in ('pending', 'running')`;
export const isLive = sql<SqlBool>`deleted_at is null`;
