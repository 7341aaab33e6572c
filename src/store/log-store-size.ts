import type { Transaction } from 'kysely';
import type { Database } from './database.js';
import { isLive, isOpen } from './session-states.js';
import type { Schema } from './schema.js';

/** Bytes as they are stored, compressed. Those of complete sessions are a counter, so only the others are added up. */
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

/** In the transaction that completes a session: nothing is appended to its log from then on. */
export async function countSessionLog(db: Transaction<Schema>, jobId: string): Promise<void> {
  const { sum } = await db
    .selectFrom('phases')
    .select(({ fn }) => fn.sum<number | string | null>('stored_log_bytes').as('sum'))
    .where('job_id', '=', jobId)
    .executeTakeFirstOrThrow();
  const bytes = Number(sum ?? 0);
  if (bytes === 0) return;
  await db
    .updateTable('sessions')
    .set({ stored_log_bytes: bytes })
    .where('job_id', '=', jobId)
    .execute();
  await addLogBytes(db, bytes);
}

export async function addLogBytes(db: Transaction<Schema>, bytes: number): Promise<void> {
  await db
    .updateTable('log_store')
    .set((eb) => ({ bytes: eb('bytes', '+', bytes) }))
    .where('id', '=', 1)
    .execute();
}
