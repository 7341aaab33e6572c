import { sql, type Expression, type ExpressionBuilder, type Transaction } from 'kysely';
import type { Database } from '../database/database.js';
import { isLive, isOpen } from '../sessions/session-conditions.js';
import type { Schema } from '../database/schema.js';

/** Compressed bytes. Complete sessions have a counter, so only the logs of the others are added up. */
export async function readLogStoreBytes({ read }: Database): Promise<number> {
  return read(async (db) => {
    const open = db.selectFrom('sessions').select('job_id').where(isOpen).where(isLive);
    const row = await db
      .selectFrom('log_store')
      .select((eb) => [
        'bytes as complete',
        eb
          .selectFrom('phases')
          .select(({ fn }) => fn.sum<number | string | null>('stored_log_bytes').as('sum'))
          .where('job_id', 'in', open)
          .as('open'),
      ])
      .where('id', '=', 1)
      .executeTakeFirstOrThrow();
    return row.complete + Number(row.open ?? 0);
  });
}

/** The compressed size of a session's log, which is final once all phases are sealed. */
export function countSessionLog(eb: ExpressionBuilder<Schema, 'sessions'>): Expression<number> {
  const sum = eb
    .selectFrom('phases')
    .select(({ fn }) => fn.sum<number>('phases.stored_log_bytes').as('sum'))
    .whereRef('phases.job_id', '=', 'sessions.job_id');
  return sql<number>`cast(coalesce(${sum}, 0) as bigint)`;
}

export async function addLogBytes(db: Transaction<Schema>, bytes: number): Promise<void> {
  await db
    .updateTable('log_store')
    .set((eb) => ({ bytes: eb('bytes', '+', bytes) }))
    .where('id', '=', 1)
    .execute();
}
