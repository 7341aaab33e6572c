import type { ExpressionBuilder, QueryCreator, Transaction } from 'kysely';
import type { PhaseResult } from '../../core/job.js';
import type { Database } from '../database/database.js';
import { createLookup } from '../database/grouping.js';
import type { Schema } from '../database/schema.js';
import { keepWaitOf } from '../sessions/session-waits.js';
import type { PhaseReport, PhaseStore } from '../store.js';
import { createHoldStore } from './holds.js';
import { requireOpen, toPhase } from './phase-rows.js';
import { createSilenceStore } from './silences.js';

type Phases = ExpressionBuilder<Schema, 'phases'>;

export function createPhaseStore(database: Database): PhaseStore {
  const { read } = database;
  const findRow = createLookup(
    database,
    (db, keys) => {
      const pairs = keys.map((key) => JSON.parse(key) as [string, string]);
      const query = db.selectFrom('phases').selectAll();
      const isOne = (eb: Phases, [jobId, name]: [string, string]) =>
        eb.and([eb('job_id', '=', jobId), eb('name', '=', name)]);
      return query.where((eb) => eb.or(pairs.map((pair) => isOne(eb, pair)))).execute();
    },
    (row) => toKey(row.job_id, row.name),
  );
  return {
    savePlan: (jobId, phases) => savePlan(database, jobId, phases),
    list: (jobId) =>
      read(async (db) => {
        const query = db.selectFrom('phases').selectAll().where('job_id', '=', jobId);
        return (await query.orderBy('position').execute()).map(toPhase);
      }),
    find: async (jobId, phase) => {
      const row = await findRow(toKey(jobId, phase));
      return row && toPhase(row);
    },
    start: (jobId, phase) => startPhase(database, jobId, phase),
    report: (jobId, phase, report) => saveReport(database, jobId, phase, report),
    seal: (jobId, phase, result, at, logBytes) =>
      sealPhase(database, jobId, phase, { result, at, logBytes }),
    ...createHoldStore(database),
    ...createSilenceStore(database),
  };
}

function toKey(jobId: string, phase: string): string {
  return JSON.stringify([jobId, phase]);
}

/** For the end of a session: seals phases that have no result by now, so that nothing more can be delivered for them. */
export async function sealOpenPhases(
  db: Transaction<Schema>,
  jobId: string,
  at: string,
): Promise<void> {
  const result: PhaseResult = {
    kind: 'unstarted',
    reason: 'skipped',
    message: 'The session ended before this phase had a result.',
  };
  await db
    .updateTable('phases')
    .set({ state: 'ended', result: JSON.stringify(result), sealed_at: at, silence: null })
    .where('job_id', '=', jobId)
    .where('sealed_at', 'is', null)
    .execute();
}

function savePlan(
  { writeAtOnce }: Database,
  jobId: string,
  phases: Parameters<PhaseStore['savePlan']>[1],
): Promise<void> {
  return writeAtOnce(async (db, emit) => {
    if (phases.length === 0) return;
    await db
      .insertInto('phases')
      .values(
        phases.map(({ name, kind, title }, position) => ({
          job_id: jobId,
          name,
          kind,
          title,
          position,
        })),
      )
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    emit({ kind: 'session', jobId });
  });
}

function startPhase(
  { dialect, writeAtOnce }: Database,
  jobId: string,
  phase: string,
): Promise<void> {
  return writeAtOnce(async (db, emit) => {
    const showPhase = (query: QueryCreator<Schema>) =>
      query
        .updateTable('sessions')
        .set((eb) => ({ phase, waiting: keepWaitOf(eb, phase) }))
        .where('job_id', '=', jobId)
        .where('state', '<>', 'complete')
        // An attempt that was given up may come late.
        .where((eb) => eb.not(eb.exists(selectSealed(eb, jobId, phase))));
    if (dialect.hasOneWriter) await showPhase(db).execute();
    await (dialect.hasOneWriter ? db : db.with('shown', showPhase))
      .updateTable('phases')
      .set({ state: 'running' })
      .where('job_id', '=', jobId)
      .where('name', '=', phase)
      .where('state', '=', 'pending')
      .execute();
    emit({ kind: 'session', jobId });
  });
}

function selectSealed(eb: ExpressionBuilder<Schema, 'sessions'>, jobId: string, phase: string) {
  return eb
    .selectFrom('phases')
    .select('name')
    .where('phases.job_id', '=', jobId)
    .where('name', '=', phase)
    .where('sealed_at', 'is not', null);
}

function saveReport(
  { writeAtOnce }: Database,
  jobId: string,
  phase: string,
  { state, startedAt, logBytes, result }: PhaseReport,
): Promise<void> {
  return writeAtOnce(async (db, emit) => {
    const reported =
      state === 'running'
        ? {}
        : {
            ...(logBytes === undefined ? {} : { reported_log_bytes: logBytes }),
            ...(result === undefined ? {} : { reported_result: JSON.stringify(result) }),
          };
    const row = await db
      .updateTable('phases')
      .set((eb) => ({ started_at: eb.fn.coalesce('started_at', eb.val(startedAt)), ...reported }))
      .where('job_id', '=', jobId)
      .where('name', '=', phase)
      .where('sealed_at', 'is', null)
      .returning('name')
      .executeTakeFirst();
    if (row === undefined) await requireOpen(db, jobId, phase);
    emit({ kind: 'session', jobId });
  });
}

function sealPhase(
  { writeAtOnce }: Database,
  jobId: string,
  phase: string,
  {
    result,
    at,
    logBytes = 0,
  }: { readonly result: PhaseResult; readonly at: string; readonly logBytes?: number | undefined },
): Promise<boolean> {
  const times =
    result.kind === 'unstarted' ? {} : { started: result.startedAt, ended: result.endedAt ?? at };
  return writeAtOnce(async (db, emit) => {
    const row = await db
      .updateTable('phases')
      .set((eb) => ({
        state: 'ended',
        result: JSON.stringify(result),
        started_at: eb.fn.coalesce('started_at', eb.val(times.started ?? null)),
        ended_at: times.ended ?? null,
        sealed_at: at,
        silence: null,
      }))
      .where('job_id', '=', jobId)
      .where('name', '=', phase)
      .where('sealed_at', 'is', null)
      .where('log_bytes', '>=', logBytes)
      .returning('name')
      .executeTakeFirst();
    if (row !== undefined) emit({ kind: 'session', jobId });
    return row !== undefined;
  });
}
