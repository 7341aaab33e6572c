import { sql, type SqlBool, type Transaction } from 'kysely';
import type { Database } from '../database/database.js';
import { removeOldestLog } from '../jobs/log-removal.js';
import { addLogBytes, readLogStoreBytes } from '../jobs/log-store-size.js';
import type { Schema } from '../database/schema.js';
import { isLive } from './session-conditions.js';
import type { RetentionStore } from '../store.js';

/** Limits of one transaction, so that nobody waits long for it. */
const SESSIONS = 100;
const CHUNKS = 64;
/** The rows of sessions of which there may be many, with their keys. */
const MANY = [
  { table: 'log_chunks', key: ['job_id', 'phase', 'end_offset'], limit: CHUNKS },
  { table: 'host_results', key: ['job_id', 'position', 'host'], limit: 2_000 },
] as const;

/** A session with noted resources is kept until they are gone, and one with a notification until that is delivered. */
const isDispensable = sql<SqlBool>`
  not exists (select 1 from resources where resources.job_id = sessions.job_id)
  and not exists (select 1 from notifications where notifications.job_id = sessions.job_id)`;

export function createRetentionStore(database: Database): RetentionStore {
  return {
    expireSessions: (endedUntil, at) => expireSessions(database, endedUntil, at),
    removeDeleted: (until) => removeDeleted(database, until),
    logStoreBytes: () => readLogStoreBytes(database),
    removeOldestLog: (reason) => removeOldestLog(database, reason, CHUNKS),
    shrink: () => database.write(() => Promise.resolve(database.dialect.shrink?.() ?? 0)),
  };
}

function expireSessions(
  { dialect, write }: Database,
  endedUntil: string,
  at: string,
): Promise<number> {
  return write(async (db, emit) => {
    const expired = await db
      .selectFrom('sessions')
      .select('job_id')
      .where(isLive)
      .where('completed_at', '<=', endedUntil)
      .orderBy('completed_at')
      .limit(SESSIONS)
      // A row that somebody else has locked is being deleted, or is left to the next call.
      .$if(!dialect.hasOneWriter, (query) => query.forNoKeyUpdate().skipLocked())
      .execute();
    if (expired.length === 0) return 0;
    const jobIds = expired.map(({ job_id: jobId }) => jobId);
    const rows = await db
      .updateTable('sessions')
      .set({ deleted_at: at, desired: 'delete' })
      .where('job_id', 'in', jobIds)
      .where(isLive)
      .returning('job_id')
      .execute();
    emit({ kind: 'any' });
    return rows.length;
  });
}

/** Removes what there may be many rows of first, then the sessions with everything else. */
function removeDeleted({ write }: Database, until: string): Promise<number> {
  return write(async (db) => {
    const jobIds = await findRemovable(db, until);
    if (jobIds.length === 0) return 0;
    let removed = 0;
    for (const rows of MANY) {
      const some = await removeRows(db, rows, jobIds);
      if (some === rows.limit) return some;
      removed += some;
    }
    const sessions = await db
      .deleteFrom('sessions')
      .where('job_id', 'in', jobIds)
      .returning('stored_log_bytes')
      .execute();
    await addLogBytes(db, -sessions.reduce((sum, row) => sum + row.stored_log_bytes, 0));
    return removed + sessions.length;
  });
}

async function findRemovable(db: Transaction<Schema>, until: string): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('sessions')
    .select('job_id')
    .where('deleted_at', '<=', until)
    .where('completed_at', '<=', until)
    .where(isDispensable)
    .orderBy('deleted_at')
    .limit(SESSIONS)
    .execute();
  return rows.map(({ job_id: jobId }) => jobId);
}

/** Removes at most `limit` rows of these sessions. Returns how many. */
async function removeRows(
  db: Transaction<Schema>,
  { table, key, limit }: (typeof MANY)[number],
  jobIds: readonly string[],
): Promise<number> {
  const columns = sql.join(key.map((column) => sql.ref(column)));
  const rows = sql.table(table);
  const { numAffectedRows = 0n } = await sql`delete from ${rows} where (${columns}) in (
    select ${columns} from ${rows} where job_id in (${sql.join(jobIds)}) limit ${limit})`.execute(
    db,
  );
  return Number(numAffectedRows);
}
