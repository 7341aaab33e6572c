import { type Kysely, sql } from 'kysely';
import type { StoreDialect } from '../database/dialect.js';

/**
 * A tag knows what lists go and filter by, so that a page of those who carry it is read from an index, in order. Triggers keep
 * it so, also where the version before writes the session.
 */
export async function addTagColumns(db: Kysely<unknown>, dialect: StoreDialect): Promise<void> {
  for (const column of ['name', 'created_at', 'state', 'succeeded']) {
    await db.schema.alterTable('session_tags').addColumn(column, dialect.types.text).execute();
  }
  // First: they lock out who would change a session between the copy and the commit.
  await dialect.createTagTriggers(db);
  await db.schema.dropIndex('session_tags_by_value').execute();
  await sql`update session_tags set name = sessions.name, created_at = sessions.created_at, state = sessions.state,
    succeeded = sessions.succeeded from sessions where sessions.job_id = session_tags.job_id`.execute(
    db,
  );
  const indexes = {
    session_tags_by_name: ['key', 'value', 'name', 'state', 'succeeded', 'created_at', 'job_id'],
    session_tags_by_state: ['key', 'value', 'state', 'name', 'succeeded', 'created_at', 'job_id'],
  };
  for (const [name, columns] of Object.entries(indexes)) {
    await db.schema.createIndex(name).on('session_tags').columns(columns).execute();
  }
}
