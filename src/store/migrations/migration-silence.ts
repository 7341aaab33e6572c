import { sql, type Kysely } from 'kysely';
import type { StoreDialect } from '../database/dialect.js';

/** Hosts that are silent while a phase runs. The index holds only phases with such hosts. */
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
