import { sql, type Kysely } from 'kysely';
import { tagBeginnings } from '../components/component-tag-index.js';
import type { StoreDialect } from '../database/dialect.js';

/** The large columns come last: SQLite reads through them to what follows. */
export async function createComponents(
  db: Kysely<unknown>,
  { types: { text } }: StoreDialect,
): Promise<void> {
  await db.schema
    .createTable('components')
    .addColumn('id', text, (column) => column.primaryKey().notNull())
    .addColumn('desired_config', text)
    .addColumn('enabled', 'integer')
    .addColumn('error_count', 'bigint')
    .addColumn('retry_policy', 'bigint')
    .addColumn('progress', text, (column) => column.notNull())
    .addColumn('progress_key', text, (column) => column.notNull())
    .addColumn('tags', text)
    .addColumn('state', text, (column) => column.notNull())
    .execute();
  const indexes = {
    components_by_config: ['desired_config', 'id'],
    components_by_progress: ['progress', 'id'],
    components_by_key: ['progress_key', 'id'],
  };
  for (const [name, columns] of Object.entries(indexes)) {
    await db.schema.createIndex(name).on('components').columns(columns).execute();
  }
}

/** In order of ids, so that tags are looked through without the state beside them. */
export async function indexComponentTags(
  db: Kysely<unknown>,
  { indexesLongTexts }: StoreDialect,
): Promise<void> {
  if (!indexesLongTexts) return;
  await db.schema
    .createIndex('components_by_tags')
    .on('components')
    .columns(['id', 'tags'])
    .execute();
}

/** Where an index takes no text of any length, by the beginnings of tags. */
export async function indexTagBeginnings(
  db: Kysely<unknown>,
  { indexesLongTexts }: StoreDialect,
): Promise<void> {
  if (indexesLongTexts) return;
  // Each change at once: nobody is to wait for what others have left to be put in.
  await sql`create index components_by_tag on components using gin ((${tagBeginnings}))
    with (fastupdate = off)`.execute(db);
  // Fleets change as a whole: what has room for its next version in its page costs no index anything.
  await sql`alter table components set (fillfactor = 50)`.execute(db);
}
