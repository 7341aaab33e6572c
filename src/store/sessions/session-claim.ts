import type { Session } from '../../core/session.js';
import { isLimited, lockPlaces, queueOrAdmit } from './places.js';
import type { Database } from '../database/database.js';
import { getSession, toSession } from './session-rows.js';
import type { NewClaim } from '../store.js';

export async function claimSession(
  database: Database,
  jobId: string,
  claim: NewClaim,
): Promise<Session> {
  return (
    (await claimUnlimited(database, jobId, claim)) ?? (await claimInTurn(database, jobId, claim))
  );
}

/** Claims in one statement if places are unlimited, as usual. Undefined if they are not, or if it was queued or is complete. */
function claimUnlimited(
  { writeAtOnce }: Database,
  jobId: string,
  { at, machine }: NewClaim,
): Promise<Session | undefined> {
  return writeAtOnce(async (db, emit) => {
    const row = await db
      .updateTable('sessions')
      .set((eb) => ({
        claimed_at: eb.fn.coalesce('claimed_at', eb.val(at)),
        machine: eb.fn.coalesce('machine', eb.val(machine ?? null)),
        admitted_at: eb.fn.coalesce('admitted_at', eb.val(at)),
      }))
      .where('job_id', '=', jobId)
      .where('state', '<>', 'complete')
      .where('queued_at', 'is', null)
      .where((eb) => eb.not(isLimited))
      .returningAll()
      .executeTakeFirst();
    if (row === undefined) return undefined;
    emit({ kind: 'session', jobId });
    return toSession(row);
  });
}

function claimInTurn(
  { dialect, write }: Database,
  jobId: string,
  { at, machine }: NewClaim,
): Promise<Session> {
  return write(async (db, emit) => {
    await lockPlaces({ db, dialect });
    await db
      .updateTable('sessions')
      .set((eb) => ({
        claimed_at: eb.fn.coalesce('claimed_at', eb.val(at)),
        machine: eb.fn.coalesce('machine', eb.val(machine ?? null)),
      }))
      .where('job_id', '=', jobId)
      .where('state', '<>', 'complete')
      .execute();
    await queueOrAdmit({ dialect, db, emit, at }, jobId);
    emit({ kind: 'session', jobId });
    return getSession(db, jobId);
  });
}

export function unclaim(
  { writeAtOnce }: Database,
  jobId: string,
  machine: string,
): Promise<boolean> {
  return writeAtOnce(async (db, emit) => {
    const row = await db
      .updateTable('sessions')
      .set({ machine: null })
      .where('job_id', '=', jobId)
      .where('machine', '=', machine)
      .where('state', '<>', 'complete')
      .where('launched_at', 'is', null)
      .where('stopped_at', 'is', null)
      .where('attach_only', '=', 0)
      .returning('job_id')
      .executeTakeFirst();
    if (row !== undefined) emit({ kind: 'session', jobId });
    return row !== undefined;
  });
}
