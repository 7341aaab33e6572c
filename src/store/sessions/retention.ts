import type { Transaction } from 'kysely';
import type { Database } from '../database/database.js';
import { removeOldestLog } from '../jobs/log-removal.js';
import { addLogBytes, readLogStoreBytes } from '../jobs/log-store-size.js';
import type { Schema } from '../database/schema.js';
import { isLive } from './session-conditions.js';
import type { RetentionStore } from '../store.js';

/** Limits of one transaction, so that nobody waits long for it. */
const SESSIONS = 100;
const HOSTS = 2_000;
const CHUNKS = 64;

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

/** Removes log chunks and host results first, because there may be many, then the sessions with everything else. */
function removeDeleted({ write }: Database, until: string): Promise<number> {
  return write(async (db) => {
    const jobIds = await findRemovable(db, until);
    if (jobIds.length === 0) return 0;
    const chunks = await removeChunks(db, jobIds);
    if (chunks === CHUNKS) return chunks;
    const hosts = await removeHosts(db, jobIds);
    if (hosts === HOSTS) return hosts;
    const rows = await db
      .deleteFrom('sessions')
      .where('job_id', 'in', jobIds)
      .returning('stored_log_bytes')
      .execute();
    await addLogBytes(db, -rows.reduce((sum, row) => sum + row.stored_log_bytes, 0));
    return chunks + hosts + rows.length;
  });
}

/** A session with noted resources is kept until they are gone, and one with a notification until that is delivered. */
async function findRemovable(db: Transaction<Schema>, until: string): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('sessions')
    .select('job_id')
    .where('deleted_at', '<=', until)
    .where('completed_at', '<=', until)
    .where((eb) =>
      eb.and(
        (['resources', 'notifications'] as const).map((table) =>
          eb.not(
            eb.exists(
              eb
                .selectFrom(table)
                .select(`${table}.job_id`)
                .whereRef(`${table}.job_id`, '=', 'sessions.job_id'),
            ),
          ),
        ),
      ),
    )
    .orderBy('deleted_at')
    .limit(SESSIONS)
    .execute();
  return rows.map(({ job_id: jobId }) => jobId);
}

async function removeChunks(db: Transaction<Schema>, jobIds: readonly string[]): Promise<number> {
  const rows = await db
    .deleteFrom('log_chunks')
    .where((eb) =>
      eb(
        eb.refTuple('job_id', 'phase', 'end_offset'),
        'in',
        eb
          .selectFrom('log_chunks')
          .select(['job_id', 'phase', 'end_offset'])
          .where('job_id', 'in', jobIds)
          .limit(CHUNKS)
          .$asTuple('job_id', 'phase', 'end_offset'),
      ),
    )
    .returning('end_offset')
    .execute();
  return rows.length;
}

async function removeHosts(db: Transaction<Schema>, jobIds: readonly string[]): Promise<number> {
  const rows = await db
    .deleteFrom('host_results')
    .where((eb) =>
      eb(
        eb.refTuple('job_id', 'position', 'host'),
        'in',
        eb
          .selectFrom('host_results')
          .select(['job_id', 'position', 'host'])
          .where('job_id', 'in', jobIds)
          .limit(HOSTS)
          .$asTuple('job_id', 'position', 'host'),
      ),
    )
    .returning('host')
    .execute();
  return rows.length;
}
