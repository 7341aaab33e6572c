import type { Kysely } from 'kysely';
import type { StoreDialect } from '../database/dialect.js';
import { isUnfinished } from '../sessions/session-conditions.js';

/** Which Temporal this deployment belongs to, which machines are alive, and an index of what the sweep looks at. */
export async function addSweep(db: Kysely<unknown>, { types }: StoreDialect): Promise<void> {
  await db.schema.alterTable('deployment').addColumn('temporal_namespace_id', types.text).execute();
  await db.schema
    .createTable('machines')
    .addColumn('machine', types.text, (column) => column.primaryKey().notNull())
    .addColumn('seen_at', types.text, (column) => column.notNull())
    .execute();
  await db.schema
    .createIndex('sessions_unfinished')
    .on('sessions')
    .column('job_id')
    .where(isUnfinished)
    .execute();
}
