import { type Kysely, sql } from 'kysely';
import type { StoreDialect } from '../database/dialect.js';

/** Ends of sessions that webhooks are still to be told. Nothing is noted until webhooks are configured. */
export async function addNotifications(db: Kysely<unknown>, dialect: StoreDialect): Promise<void> {
  const { text } = dialect.types;
  await db.schema
    .alterTable('deployment')
    .addColumn('notifies', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
  await db.schema
    .createTable('notifications')
    .addColumn('job_id', text, (column) =>
      column.primaryKey().notNull().references('sessions.job_id').onDelete('cascade'),
    )
    .addColumn('handed_at', text)
    .execute();
  await db.schema
    .createIndex('notifications_due')
    .on('notifications')
    .column('job_id')
    .where(sql<boolean>`handed_at is null`)
    .execute();
  await dialect.createNotificationTrigger(db);
}
