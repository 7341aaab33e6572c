import type { PatchedRecord } from '../../core/session-patch.js';
import type { Session } from '../../core/session.js';
import type { Database } from '../database/database.js';
import { lockSession } from './session-lock.js';
import { toSession } from './session-rows.js';

/** Reads, decides and writes in one transaction, while other writers of the record wait. */
export function patchSession(
  database: Database,
  name: string,
  decide: (session: Session) => PatchedRecord,
): Promise<Session> {
  return database.write(async (db, emit) => {
    const row = await lockSession(database, db, name);
    const { patched, state, succeeded, createdAt, completedAt } = decide(toSession(row));
    const updated = await db
      .updateTable('sessions')
      .set({
        patched: JSON.stringify(patched),
        // In a session that this service runs, only activities write these.
        ...(row.external === 1
          ? { state, succeeded, created_at: createdAt, completed_at: completedAt ?? null }
          : {}),
      })
      .where('job_id', '=', row.job_id)
      .returningAll()
      .executeTakeFirstOrThrow();
    emit({ kind: 'session', jobId: row.job_id });
    return toSession(updated);
  });
}
