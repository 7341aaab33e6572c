import { sql, type Kysely } from 'kysely';
import type { StoreDialect } from '../database/dialect.js';

/** Hosts of which nothing is heard while a phase runs. The index has those phases alone, so that few rows are looked at. */
export async function addSilence(db: Kysely<unknown>, { types }: StoreDialect): Promise<void> {
  await db.schema.alterTable('phases').addColumn('silence', types.text).execute();
  await db.schema
    .alterTable('phases')
    .addColumn('silence_sequence', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
  await db.schema
    .createIndex('phases_silence')
    .on('phases')
    .column('job_id')
    .where(sql<boolean>`silence is not null`)
    .execute();
}
