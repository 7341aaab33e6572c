import { type Kysely, sql } from 'kysely';
import type { StoreDialect } from '../database/dialect.js';

/**
 * Tags get the columns that lists sort and filter by, so that a page of sessions with a tag is read from an index, in order.
 * Triggers keep the columns up to date, also while an earlier version writes sessions.
 */
export async function addTagColumns(db: Kysely<unknown>, dialect: StoreDialect): Promise<void> {
  for (const column of ['name', 'created_at', 'state', 'succeeded']) {
    await db.schema.alterTable('session_tags').addColumn(column, dialect.types.text).execute();
  }
  // Created before the copy, because that locks out anybody who would change a session until the commit.
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
