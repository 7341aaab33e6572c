import type { Kysely } from 'kysely';
import type { StoreDialect } from '../database/dialect.js';

/** Phases that are run again in a hold. `hosts_from` is the sequence with which the results of the last run begin. */
export async function addReruns(db: Kysely<unknown>, { types }: StoreDialect): Promise<void> {
  const add = (name: string, type: typeof types.text | 'integer') =>
    db.schema.alterTable('phases').addColumn(name, type).execute();
  const addCount = (name: string, type: 'integer' | 'bigint') =>
    db.schema
      .alterTable('phases')
      .addColumn(name, type, (column) => column.notNull().defaultTo(0))
      .execute();
  await add('hold_can_rerun', 'integer');
  await add('hold_rerun_at', types.text);
  await add('hold_rerun_by', types.text);
  await addCount('reruns', 'integer');
  await addCount('files_changed', 'integer');
  await addCount('hosts_from', 'bigint');
}
