import { type Kysely, sql } from 'kysely';
import type { StoreDialect } from '../database/dialect.js';

/** The state of the batcher. A component's id is the key of `batch_members`, so it is in at most one unfinished batch. */
export async function createBatches(db: Kysely<unknown>, { types }: StoreDialect): Promise<void> {
  const text = types.text;
  await db.schema
    .createTable('batches')
    .addColumn('id', text, (column) => column.primaryKey().notNull())
    .addColumn('state', text, (column) => column.notNull())
    .addColumn('configuration', text, (column) => column.notNull())
    .addColumn('layers', text, (column) => column.notNull())
    .addColumn('latest', text, (column) => column.notNull())
    .addColumn('size', 'integer', (column) => column.notNull())
    .addColumn('opened_at', text, (column) => column.notNull())
    .addColumn('sent_at', text)
    .addColumn('job_id', text)
    .addColumn('session_name', text)
    .addColumn('desired', text)
    .addColumn('finished_at', text)
    .addColumn('result', text)
    .addColumn('reason', text)
    .execute();
  await db.schema
    .createIndex('batches_open')
    .on('batches')
    .columns(['configuration', 'layers', 'latest', 'size'])
    .where(sql<boolean>`state = 'open'`)
    .execute();
  await db.schema.createIndex('batches_by_state').on('batches').columns(['state', 'id']).execute();
  await db.schema
    .createTable('batch_members')
    .addColumn('component_id', text, (column) => column.primaryKey().notNull())
    .addColumn('batch_id', text, (column) => column.notNull().references('batches.id'))
    .execute();
  await db.schema
    .createIndex('batch_members_by_batch')
    .on('batch_members')
    .columns(['batch_id', 'component_id'])
    .execute();
  await createBatcher(db, text);
}

async function createBatcher(
  db: Kysely<unknown>,
  text: StoreDialect['types']['text'],
): Promise<void> {
  await db.schema
    .createTable('batch_causes')
    .addColumn('cause', text, (column) => column.primaryKey().notNull())
    .addColumn('results', text, (column) => column.notNull())
    .addColumn('seconds', 'integer', (column) => column.notNull())
    .addColumn('until', text)
    .execute();
  await db.schema
    .createTable('batcher')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('document', text, (column) => column.notNull())
    .execute();
}
