import { type Kysely, sql } from 'kysely';

/** The size of stored logs, counted as they are written, and indexes to find what is old. */
export async function createRetention(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('phases')
    .addColumn('stored_log_bytes', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute();
  await db.schema
    .alterTable('sessions')
    .addColumn('stored_log_bytes', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute();
  await db.schema
    .createTable('log_store')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .execute();
  await measureLogs(db);
  await createRetentionIndexes(db);
}

/** Counts, once, the logs that exist already. */
async function measureLogs(db: Kysely<unknown>): Promise<void> {
  await sql`update phases set stored_log_bytes = (select coalesce(sum(length(gzip)), 0) from log_chunks
    where log_chunks.job_id = phases.job_id and log_chunks.phase = phases.name)`.execute(db);
  await sql`update sessions set stored_log_bytes = (select coalesce(sum(phases.stored_log_bytes), 0) from phases
    where phases.job_id = sessions.job_id) where state = 'complete'`.execute(db);
  await sql`insert into log_store (id, bytes)
    select 1, coalesce(sum(stored_log_bytes), 0) from sessions`.execute(db);
}

/** Finds complete sessions by their time: with a condition on the state, the planner would use an index of the lists. */
async function createRetentionIndexes(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createIndex('sessions_by_completion')
    .on('sessions')
    .columns(['completed_at', 'succeeded', 'reason'])
    .where(sql<boolean>`completed_at is not null and deleted_at is null`)
    .execute();
  await db.schema
    .createIndex('sessions_by_deletion')
    .on('sessions')
    .columns(['deleted_at', 'completed_at', 'job_id'])
    .where(sql<boolean>`deleted_at is not null`)
    .execute();
  await db.schema
    .createIndex('sessions_by_log')
    .on('sessions')
    .columns(['completed_at', 'job_id'])
    .where(sql<boolean>`stored_log_bytes > 0`)
    .execute();
}
