import type { ExpressionBuilder, QueryCreator, Transaction } from 'kysely';
import { missing, ServiceError } from '../../core/errors.js';
import type { PhaseResult } from '../../core/job.js';
import { createLookup } from '../database/grouping.js';
import type { Connection, Database } from '../database/database.js';
import { dropNulls } from '../database/row-values.js';
import type { PhaseRow, Schema } from '../database/schema.js';
import { keepWaitOf } from '../sessions/session-waits.js';
import type { Hold, PhaseRecord, PhaseReport, PhaseStore } from '../store.js';

/** A statement takes 32,766 values. */
const JOBS_PER_QUERY = 1_000;

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
    seal: (jobId, phase, result, at) => sealPhase(database, jobId, phase, result, at),
    hold: (jobId, phase, hold) => saveHold(database, jobId, phase, hold),
    endHold: (jobId, at) => endHold(database, jobId, at),
    holds: (jobIds, at) => findHolds(database, jobIds, at),
  };
}

function toKey(jobId: string, phase: string): string {
  return JSON.stringify([jobId, phase]);
}

/** For the end of a session: nothing can be delivered for what has no result by now. */
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
    .set({ state: 'ended', result: JSON.stringify(result), sealed_at: at })
    .where('job_id', '=', jobId)
    .where('sealed_at', 'is', null)
    .execute();
}

/** To be called where a write for an open phase has changed nothing; returns if the phase is there. */
export async function requireOpen(db: Connection, jobId: string, phase: string): Promise<void> {
  const query = db.selectFrom('phases').select('sealed_at').where('job_id', '=', jobId);
  const row = await query.where('name', '=', phase).executeTakeFirst();
  if (row === undefined) throw missing('Phase', `${phase} of ${jobId}`);
  if (row.sealed_at !== null) {
    throw new ServiceError(
      'gone',
      `Phase ${phase} of ${jobId} is over; nothing more is taken for it.`,
    );
  }
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
        .where('state', '<>', 'complete');
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
  result: PhaseResult,
  at: string,
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
      }))
      .where('job_id', '=', jobId)
      .where('name', '=', phase)
      .where('sealed_at', 'is', null)
      .returning('name')
      .executeTakeFirst();
    if (row !== undefined) emit({ kind: 'session', jobId });
    return row !== undefined;
  });
}

function saveHold(
  { writeAtOnce }: Database,
  jobId: string,
  phase: string,
  { since, until, command }: Omit<Hold, 'releasedAt'>,
): Promise<void> {
  return writeAtOnce(async (db, emit) => {
    const row = await db
      .updateTable('phases')
      .set((eb) => ({
        hold_since: since,
        hold_until: until,
        hold_command: command,
        hold_released_at: eb
          .case()
          .when('hold_since', '=', since)
          .then(eb.ref('hold_released_at'))
          .else(null)
          .end(),
      }))
      .where('job_id', '=', jobId)
      .where('name', '=', phase)
      .where('sealed_at', 'is', null)
      .where((eb) => eb.or([eb('hold_since', 'is', null), eb('hold_since', '<=', since)]))
      .returning('name')
      .executeTakeFirst();
    if (row === undefined) await requireOpen(db, jobId, phase);
    emit({ kind: 'session', jobId });
  });
}

function endHold({ writeAtOnce }: Database, jobId: string, at: string): Promise<boolean> {
  return writeAtOnce(async (db, emit) => {
    const row = await db
      .updateTable('phases')
      .set((eb) => ({ hold_released_at: eb.fn.coalesce('hold_released_at', eb.val(at)) }))
      .where('job_id', '=', jobId)
      .where('sealed_at', 'is', null)
      .where('hold_until', '>', at)
      .returning('name')
      .executeTakeFirst();
    if (row !== undefined) emit({ kind: 'session', jobId });
    return row !== undefined;
  });
}

async function findHolds(
  { read }: Database,
  jobIds: readonly string[],
  at: string,
): Promise<ReadonlyMap<string, Hold>> {
  const found = new Map<string, Hold>();
  for (let first = 0; first < jobIds.length; first += JOBS_PER_QUERY) {
    const rows = await read((db) =>
      db
        .selectFrom('phases')
        .selectAll()
        .where('job_id', 'in', jobIds.slice(first, first + JOBS_PER_QUERY))
        .where('sealed_at', 'is', null)
        .where('hold_released_at', 'is', null)
        .where('hold_until', '>', at)
        .execute(),
    );
    for (const { jobId, hold } of rows.map(toPhase)) if (hold) found.set(jobId, hold);
  }
  return found;
}

function toPhase(row: PhaseRow): PhaseRecord {
  return {
    jobId: row.job_id,
    name: row.name,
    kind: row.kind,
    title: row.title,
    position: row.position,
    state: row.state,
    logBytes: row.log_bytes,
    hostsFinal: row.hosts_final === 1,
    ...dropNulls({
      result: toResult(row.result),
      startedAt: row.started_at,
      endedAt: row.ended_at,
      reportedLogBytes: row.reported_log_bytes,
      reportedResult: toResult(row.reported_result),
      sealedAt: row.sealed_at,
      hold: toHold(row),
    }),
  };
}

function toResult(text: string | null): PhaseResult | null {
  return text === null ? null : (JSON.parse(text) as PhaseResult);
}

function toHold(row: PhaseRow): Hold | null {
  const { hold_since: since, hold_until: until, hold_command: command } = row;
  if (since === null || until === null || command === null) return null;
  return { since, until, command, ...dropNulls({ releasedAt: row.hold_released_at }) };
}
