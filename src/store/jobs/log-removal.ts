import { gzipSync } from 'node:zlib';
import type { Transaction } from 'kysely';
import type { Database } from '../database/database.js';
import { addLogBytes } from './log-store-size.js';
import type { Schema } from '../database/schema.js';

/**
 * Removes at most `limit` chunks of the oldest complete session that has a log, from its end. First the last chunk of each
 * phase is replaced by a line that says so. The line stays, and a reader comes across it from any offset.
 */
export function removeOldestLog(
  { write }: Database,
  reason: string,
  limit: number,
): Promise<boolean> {
  return write(async (db, emit) => {
    const oldest = await db
      .selectFrom('sessions')
      .select(['job_id', 'stored_log_bytes'])
      .where((eb) => eb('stored_log_bytes', '>', eb.lit(0)))
      .orderBy('completed_at')
      .limit(1)
      .executeTakeFirst();
    if (oldest === undefined) return false;
    const jobId = oldest.job_id;
    await leaveLines(db, jobId, reason);
    if ((await removeChunks(db, jobId, limit)) < limit) {
      const counted = await db
        .updateTable('sessions')
        .set({ stored_log_bytes: 0 })
        .where('job_id', '=', jobId)
        // Two processes may get here at the same time.
        .where('stored_log_bytes', '=', oldest.stored_log_bytes)
        .returning('job_id')
        .executeTakeFirst();
      if (counted !== undefined) await addLogBytes(db, -oldest.stored_log_bytes);
    }
    emit({ kind: 'session', jobId });
    return true;
  });
}

/** The line has size 0, so that it is read whole from any offset before the end of the log. */
async function leaveLines(db: Transaction<Schema>, jobId: string, reason: string): Promise<void> {
  const phases = await db
    .selectFrom('phases')
    .select(['name', 'log_bytes'])
    .where('job_id', '=', jobId)
    .where('log_bytes', '>', 0)
    .execute();
  for (const { name, log_bytes: bytes } of phases) {
    const gap = `[${bytes} bytes of this log were removed: ${reason}]`;
    const line = { size: 0, gap, gzip: gzipSync(`${gap}\n`) };
    await db
      .insertInto('log_chunks')
      .values({ job_id: jobId, phase: name, end_offset: bytes, ...line })
      .onConflict((conflict) =>
        conflict
          .columns(['job_id', 'phase', 'end_offset'])
          .doUpdateSet(line)
          .where('log_chunks.size', '>', 0),
      )
      .execute();
  }
}

async function removeChunks(
  db: Transaction<Schema>,
  jobId: string,
  limit: number,
): Promise<number> {
  const rows = await db
    .deleteFrom('log_chunks')
    .where('job_id', '=', jobId)
    .where((eb) =>
      eb(
        eb.refTuple('phase', 'end_offset'),
        'in',
        eb
          .selectFrom('log_chunks')
          .select(['phase', 'end_offset'])
          .where('job_id', '=', jobId)
          .where('size', '>', 0)
          .orderBy('phase', 'desc')
          .orderBy('end_offset', 'desc')
          .limit(limit)
          .$asTuple('phase', 'end_offset'),
      ),
    )
    .returning('end_offset')
    .execute();
  return rows.length;
}
