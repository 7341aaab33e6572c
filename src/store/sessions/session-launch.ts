import type { Session } from '../../core/session.js';
import type { Database } from '../database/database.js';
import { getSession, toSession } from './session-rows.js';
import type { NewLaunch } from '../store.js';

export function markRunning({ writeAtOnce }: Database, jobId: string): Promise<boolean> {
  return writeAtOnce(async (db, emit) => {
    const marked = await db
      .updateTable('sessions')
      .set({ state: 'running' })
      .where('job_id', '=', jobId)
      .where('state', 'in', ['pending', 'running'])
      .where('desired', '=', 'run')
      .where('stopped_at', 'is', null)
      .returning('job_id')
      .executeTakeFirst();
    emit({ kind: 'session', jobId });
    return marked !== undefined;
  });
}

export function recordLaunch(
  { writeAtOnce }: Database,
  jobId: string,
  { at, incarnation, machine }: NewLaunch,
) {
  return writeAtOnce(async (db, emit) => {
    const won = await db
      .updateTable('sessions')
      .set({ state: 'running', launched_at: at, incarnation, waiting: null })
      .where('job_id', '=', jobId)
      .where('state', '<>', 'complete')
      .where('launched_at', 'is', null)
      .where('stopped_at', 'is', null)
      .where('desired', '=', 'run')
      .where('waits_for', 'is', null)
      .where('attach_only', '=', 0)
      .$if(machine !== undefined, (query) => query.where('machine', '=', machine ?? ''))
      .returningAll()
      .executeTakeFirst();
    emit({ kind: 'session', jobId });
    const session = won === undefined ? await getSession(db, jobId) : toSession(won);
    return { won: won !== undefined, session };
  });
}

export function recordAttach(
  { writeAtOnce }: Database,
  jobId: string,
  { at, incarnation, machine }: NewLaunch,
): Promise<Session> {
  return writeAtOnce(async (db, emit) => {
    const row = await db
      .updateTable('sessions')
      .set((eb) => ({
        state: 'running',
        launched_at: at,
        incarnation,
        waiting: null,
        claimed_at: eb.fn.coalesce('claimed_at', eb.val(at)),
        machine: eb.fn.coalesce('machine', eb.val(machine ?? null)),
        admitted_at: eb.fn.coalesce('admitted_at', eb.val(at)),
        waits_for: null,
      }))
      .where('job_id', '=', jobId)
      .where('state', '<>', 'complete')
      .where('launched_at', 'is', null)
      .returningAll()
      .executeTakeFirst();
    emit({ kind: 'session', jobId });
    return row === undefined ? getSession(db, jobId) : toSession(row);
  });
}

export function recordStop({ writeAtOnce }: Database, jobId: string, at: string): Promise<void> {
  return writeAtOnce(async (db) => {
    const query = db.updateTable('sessions').set({ stopped_at: at });
    await query.where('job_id', '=', jobId).where('stopped_at', 'is', null).execute();
  });
}
