import { sql, type Kysely } from 'kysely';
import { tagBeginnings } from '../components/component-tag-index.js';
import type { StoreDialect } from '../database/dialect.js';

/** Large columns come last, because SQLite reads through them to reach the columns behind them. */
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

/** Holds ids and tags, so that tags are searched without the large states beside them. */
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

/** On PostgreSQL, whose indexes do not take texts of any length, the index has the beginnings of tags. */
export async function indexTagBeginnings(
  db: Kysely<unknown>,
  { indexesLongTexts }: StoreDialect,
): Promise<void> {
  if (indexesLongTexts) return;
  // Without `fastupdate`, so that no query has to work off a backlog of earlier changes.
  await sql`create index components_by_tag on components using gin ((${tagBeginnings}))
    with (fastupdate = off)`.execute(db);
  // Whole fleets change at once, and an update whose new version fits in the same page need not touch an index.
  await sql`alter table components set (fillfactor = 50)`.execute(db);
}
