import { missing } from '../../core/errors.js';
import type {
  Artifact,
  Desired,
  KnownEnd,
  Outcome,
  Session,
  Snapshot,
} from '../../core/session.js';
import { admitQueued, hasAdmission, lockPlacesOf } from './places.js';
import type { Database } from '../database/database.js';
import { addLogBytes, countSessionLog } from '../jobs/log-store-size.js';
import { sealOpenPhases } from '../jobs/phases.js';
import { passHostsOn } from './host-locks.js';
import { isNoted } from './session-conditions.js';
import { claimSession, unclaim } from './session-claim.js';
import { markRunning, recordAttach, recordLaunch, recordStop } from './session-launch.js';
import { getSession, toOutcomeColumns, toSession } from './session-rows.js';
import type { CancelWish, SessionStore } from '../store.js';

type ProgressStore = Pick<
  SessionStore,
  | 'noteCancel'
  | 'claim'
  | 'saveSnapshot'
  | 'markRunning'
  | 'recordLaunch'
  | 'recordAttach'
  | 'unclaim'
  | 'recordStop'
  | 'recordTeardown'
  | 'recordImsJob'
  | 'addArtifact'
  | 'recordKnownEnd'
  | 'recordOutcome'
>;

/** What activities write. Each write is an UPDATE guarded by its WHERE clause, so it may be repeated or come late. */
export function createProgressStore(database: Database): ProgressStore {
  return {
    noteCancel: (jobId, wish) => noteCancel(database, jobId, wish),
    claim: (jobId, claim) => claimSession(database, jobId, claim),
    saveSnapshot: (jobId, snapshot) => saveSnapshot(database, jobId, snapshot),
    markRunning: (jobId) => markRunning(database, jobId),
    recordLaunch: (jobId, launch) => recordLaunch(database, jobId, launch),
    recordAttach: (jobId, attach) => recordAttach(database, jobId, attach),
    unclaim: (jobId, machine) => unclaim(database, jobId, machine),
    recordStop: (jobId, at) => recordStop(database, jobId, at),
    recordTeardown: (jobId, at) => recordTeardown(database, jobId, at),
    recordImsJob: (jobId, imsJob) => recordImsJob(database, jobId, imsJob),
    addArtifact: (jobId, artifact) => addArtifact(database, jobId, artifact),
    recordKnownEnd: (jobId, end) => recordKnownEnd(database, jobId, end),
    recordOutcome: (jobId, outcome, at) => recordOutcome(database, jobId, outcome, at),
  };
}

function noteCancel({ writeAtOnce }: Database, jobId: string, wish: CancelWish): Promise<Session> {
  return writeAtOnce(async (db, emit) => {
    const row = await db
      .updateTable('sessions')
      .set((eb) => ({
        desired: eb
          .case()
          .when(eb.and([eb('desired', '=', 'run'), eb('teardown_at', 'is', null)]))
          .then(eb.val<Desired>('cancel'))
          .else(eb.ref('desired'))
          .end(),
        cancel_by: eb.fn.coalesce('cancel_by', eb.val(wish.by ?? null)),
        cancel_reason: eb.fn.coalesce('cancel_reason', eb.val(wish.reason ?? null)),
      }))
      .where('job_id', '=', jobId)
      .where('state', '<>', 'complete')
      .returningAll()
      .executeTakeFirst();
    emit({ kind: 'wish' });
    emit({ kind: 'session', jobId });
    return row === undefined ? getSession(db, jobId) : toSession(row);
  });
}

function saveSnapshot(
  { writeAtOnce }: Database,
  jobId: string,
  snapshot: Snapshot,
): Promise<Snapshot> {
  return writeAtOnce(async (db) => {
    const saved = await db
      .updateTable('sessions')
      .set({ snapshot: JSON.stringify(snapshot) })
      .where('job_id', '=', jobId)
      .where('snapshot', 'is', null)
      .returning('job_id')
      .executeTakeFirst();
    if (saved !== undefined) return snapshot;
    return (await getSession(db, jobId)).snapshot ?? snapshot;
  });
}

function recordTeardown({ writeAtOnce }: Database, jobId: string, at: string): Promise<boolean> {
  return writeAtOnce(async (db, emit) => {
    await db
      .updateTable('sessions')
      .set({ teardown_at: at })
      .where('job_id', '=', jobId)
      .where('teardown_at', 'is', null)
      .where('state', '<>', 'complete')
      .where('desired', '=', 'run')
      .execute();
    emit({ kind: 'session', jobId });
    return (await getSession(db, jobId)).teardownAt !== undefined;
  });
}

function recordImsJob({ writeAtOnce }: Database, jobId: string, imsJob: string): Promise<void> {
  return writeAtOnce(async (db, emit) => {
    const query = db.updateTable('sessions').set({ ims_job: imsJob });
    await query.where('job_id', '=', jobId).where('state', '<>', 'complete').execute();
    emit({ kind: 'session', jobId });
  });
}

function addArtifact(
  { dialect, write }: Database,
  jobId: string,
  artifact: Artifact,
): Promise<void> {
  return write(async (db, emit) => {
    const row = await db
      .selectFrom('sessions')
      .select('artifacts')
      .where('job_id', '=', jobId)
      .$if(!dialect.hasOneWriter, (query) => query.forNoKeyUpdate())
      .executeTakeFirst();
    if (row === undefined) throw missing('Session', jobId);
    const artifacts = JSON.parse(row.artifacts) as readonly Artifact[];
    if (artifacts.some(({ imageId }) => imageId === artifact.imageId)) return;
    const text = JSON.stringify([...artifacts, artifact]);
    await db.updateTable('sessions').set({ artifacts: text }).where('job_id', '=', jobId).execute();
    emit({ kind: 'session', jobId });
  });
}

function recordKnownEnd({ writeAtOnce }: Database, jobId: string, end: KnownEnd): Promise<void> {
  return writeAtOnce(async (db) => {
    await db
      .updateTable('sessions')
      .set({ known_end: JSON.stringify(end), attach_only: 1 })
      .where('job_id', '=', jobId)
      .where('state', '<>', 'complete')
      .execute();
  });
}

function recordOutcome(
  { dialect, write }: Database,
  jobId: string,
  outcome: Outcome,
  at: string,
): Promise<boolean> {
  return write(async (db, emit) => {
    const context = { dialect, db, emit, at };
    // Sealed before the record is completed, so that nothing is appended to the log once its size has been counted.
    await sealOpenPhases(db, jobId, at);
    await lockPlacesOf(context, jobId);
    const completed = await db
      .updateTable('sessions')
      .set((eb) => ({ ...toOutcomeColumns(outcome, at), stored_log_bytes: countSessionLog(eb) }))
      .where('job_id', '=', jobId)
      .where('state', '<>', 'complete')
      .returning(['stored_log_bytes', 'host_turn', hasAdmission.as('has_admission')])
      .returning(isNoted.as('is_noted'))
      .executeTakeFirst();
    if (completed === undefined) return false;
    if (completed.stored_log_bytes > 0) await addLogBytes(db, completed.stored_log_bytes);
    const hadHosts = completed.host_turn !== null;
    if (hadHosts) await passHostsOn(context, jobId);
    if (hadHosts || completed.has_admission === 1) await admitQueued(context);
    emit({ kind: 'session', jobId });
    if (completed.is_noted === 1) emit({ kind: 'end' });
    return true;
  });
}
