import { type Kysely, sql } from 'kysely';
import type { StoreDialect } from '../database/dialect.js';
import { isAdmitted, isQueued, isWish } from '../sessions/session-conditions.js';

/** Sessions wait for a place, in the order of their claims. What was claimed before has one. */
export async function addAdmission(db: Kysely<unknown>, { types }: StoreDialect): Promise<void> {
  const text = types.text;
  await db.schema.alterTable('sessions').addColumn('queued_at', text).execute();
  await db.schema.alterTable('sessions').addColumn('admitted_at', text).execute();
  await db.schema
    .alterTable('sessions')
    .addColumn('admission_due', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
  await sql`update sessions set admitted_at = claimed_at where state <> 'complete'`.execute(db);
  const indexes = {
    sessions_queued: { columns: ['queued_at', 'job_id'], where: isQueued },
    sessions_admitted: { columns: ['job_id'], where: isAdmitted },
  };
  for (const [name, { columns, where }] of Object.entries(indexes)) {
    await db.schema.createIndex(name).on('sessions').columns(columns).where(where).execute();
  }
  await db.schema.dropIndex('sessions_by_wish').execute();
  await db.schema
    .createIndex('sessions_by_wish')
    .on('sessions')
    .columns(['wish_at', 'created_at'])
    .where(isWish)
    .execute();
}
