import { type Kysely, sql } from 'kysely';
import type { StoreDialect } from '../database/dialect.js';
import {
  hasTurn,
  isAdmitted,
  isBehind,
  isWish,
  isWithoutPlace,
} from '../sessions/session-conditions.js';

/** Sessions wait for a place, in the order of their claims. Those claimed before this migration have one. */
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
    // `isQueued` as it was before host locks. The present condition implies this one, so the index still serves it.
    sessions_queued: { columns: ['queued_at', 'job_id'], where: isWithoutPlace },
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

/** Sessions wait for hosts that others have, in the order in which they asked. */
export async function addHostLocks(db: Kysely<unknown>, { types }: StoreDialect): Promise<void> {
  await db.schema.alterTable('sessions').addColumn('host_turn', 'integer').execute();
  await db.schema.alterTable('sessions').addColumn('waits_for', types.text).execute();
  await db.schema
    .createTable('session_hosts')
    .addColumn('job_id', types.text, (column) =>
      column.notNull().references('sessions.job_id').onDelete('cascade'),
    )
    .addColumn('host', types.text, (column) => column.notNull())
    .addPrimaryKeyConstraint('session_hosts_key', ['job_id', 'host'])
    .execute();
  await db.schema
    .createIndex('session_hosts_by_host')
    .on('session_hosts')
    .columns(['host', 'job_id'])
    .execute();
  await db.schema
    .createIndex('sessions_by_turn')
    .on('sessions')
    .column('host_turn')
    .where(hasTurn)
    .execute();
  await db.schema
    .createIndex('sessions_behind')
    .on('sessions')
    .column('waits_for')
    .where(isBehind)
    .execute();
}
