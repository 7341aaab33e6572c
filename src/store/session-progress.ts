import type { Transaction } from 'kysely';
import { missing } from '../core/errors.js';
import type { Artifact, Desired, Outcome, Session, Snapshot } from '../core/session.js';
import { admitQueued, queueOrAdmit } from './admission.js';
import type { Database } from './database.js';
import { countSessionLog } from './log-store-size.js';
import { sealOpenPhases } from './phases.js';
import type { Schema } from './schema.js';
import { toOutcomeColumns, toSession } from './session-rows.js';
import type { CancelWish, SessionStore } from './store.js';

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
  | 'recordPhase'
  | 'recordOutcome'
>;

/** What activities write. Each is an UPDATE that its condition guards, so that it may be repeated and come late. */
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
    recordPhase: (jobId, phase) => recordPhase(database, jobId, phase),
    recordOutcome: (jobId, outcome, at) => recordOutcome(database, jobId, outcome, at),
  };
}

function noteCancel({ write }: Database, jobId: string, wish: CancelWish): Promise<Session> {
  return write(async (db, emit) => {
    await db
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
      .execute();
    emit({ kind: 'wish' });
    emit({ kind: 'session', jobId });
    return getSession(db, jobId);
  });
}

function claimSession(
  database: Database,
  jobId: string,
  { at, machine }: Parameters<SessionStore['claim']>[1],
): Promise<Session> {
  return database.write(async (db, emit) => {
    await db
      .updateTable('sessions')
      .set((eb) => ({
        claimed_at: eb.fn.coalesce('claimed_at', eb.val(at)),
        machine: eb.fn.coalesce('machine', eb.val(machine ?? null)),
      }))
      .where('job_id', '=', jobId)
      .where('state', '<>', 'complete')
      .where((eb) => eb.or([eb('claimed_at', 'is', null), eb('machine', 'is', null)]))
      .execute();
    await queueOrAdmit(database, db, jobId, at);
    emit({ kind: 'session', jobId });
    return getSession(db, jobId);
  });
}

function saveSnapshot({ write }: Database, jobId: string, snapshot: Snapshot): Promise<Snapshot> {
  return write(async (db) => {
    await db
      .updateTable('sessions')
      .set({ snapshot: JSON.stringify(snapshot) })
      .where('job_id', '=', jobId)
      .where('snapshot', 'is', null)
      .execute();
    return (await getSession(db, jobId)).snapshot ?? snapshot;
  });
}

function markRunning({ write }: Database, jobId: string): Promise<boolean> {
  return write(async (db, emit) => {
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

function recordLaunch(
  { write }: Database,
  jobId: string,
  { at, incarnation, machine }: Parameters<SessionStore['recordLaunch']>[1],
) {
  return write(async (db, emit) => {
    const won = await db
      .updateTable('sessions')
      .set({ state: 'running', launched_at: at, incarnation })
      .where('job_id', '=', jobId)
      .where('state', '<>', 'complete')
      .where('launched_at', 'is', null)
      .where('stopped_at', 'is', null)
      .where('desired', '=', 'run')
      .where('attach_only', '=', 0)
      .$if(machine !== undefined, (query) => query.where('machine', '=', machine ?? ''))
      .returning('job_id')
      .executeTakeFirst();
    emit({ kind: 'session', jobId });
    return { won: won !== undefined, session: await getSession(db, jobId) };
  });
}

function recordAttach(
  { write }: Database,
  jobId: string,
  { at, incarnation, machine }: Parameters<SessionStore['recordAttach']>[1],
): Promise<Session> {
  return write(async (db, emit) => {
    await db
      .updateTable('sessions')
      .set((eb) => ({
        state: 'running',
        launched_at: at,
        incarnation,
        claimed_at: eb.fn.coalesce('claimed_at', eb.val(at)),
        machine: eb.fn.coalesce('machine', eb.val(machine ?? null)),
        admitted_at: eb.fn.coalesce('admitted_at', eb.val(at)),
      }))
      .where('job_id', '=', jobId)
      .where('state', '<>', 'complete')
      .where('launched_at', 'is', null)
      .execute();
    emit({ kind: 'session', jobId });
    return getSession(db, jobId);
  });
}

function unclaim({ write }: Database, jobId: string, machine: string): Promise<boolean> {
  return write(async (db, emit) => {
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

function recordStop({ write }: Database, jobId: string, at: string): Promise<void> {
  return write(async (db) => {
    const query = db.updateTable('sessions').set({ stopped_at: at });
    await query.where('job_id', '=', jobId).where('stopped_at', 'is', null).execute();
  });
}

function recordTeardown({ write }: Database, jobId: string, at: string): Promise<boolean> {
  return write(async (db, emit) => {
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

function recordImsJob({ write }: Database, jobId: string, imsJob: string): Promise<void> {
  return write(async (db, emit) => {
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

function recordPhase({ write }: Database, jobId: string, phase: string): Promise<void> {
  return write(async (db, emit) => {
    const query = db.updateTable('sessions').set({ phase });
    await query.where('job_id', '=', jobId).where('state', '<>', 'complete').execute();
    emit({ kind: 'session', jobId });
  });
}

function recordOutcome(
  database: Database,
  jobId: string,
  outcome: Outcome,
  at: string,
): Promise<boolean> {
  return database.write(async (db, emit) => {
    const completed = await db
      .updateTable('sessions')
      .set(toOutcomeColumns(outcome, at))
      .where('job_id', '=', jobId)
      .where('state', '<>', 'complete')
      .returning('job_id')
      .executeTakeFirst();
    if (completed === undefined) return false;
    await sealOpenPhases(db, jobId, at);
    await countSessionLog(db, jobId);
    await admitQueued(database, db, at, emit);
    emit({ kind: 'session', jobId });
    return true;
  });
}

async function getSession(db: Transaction<Schema>, jobId: string): Promise<Session> {
  const query = db.selectFrom('sessions').selectAll().where('job_id', '=', jobId);
  const row = await query.executeTakeFirst();
  if (row === undefined) throw missing('Session', jobId);
  return toSession(row);
}
