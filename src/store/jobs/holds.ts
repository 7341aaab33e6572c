import type { Database } from '../database/database.js';
import type { Hold, PhaseStore } from '../store.js';
import { requireOpen, toPhase } from './phase-rows.js';

/** A statement takes 32,766 values. */
const JOBS_PER_QUERY = 1_000;

/** Failed phases that are kept for debugging. */
export function createHoldStore(
  database: Database,
): Pick<PhaseStore, 'hold' | 'endHold' | 'holds'> {
  return {
    hold: (jobId, phase, hold) => saveHold(database, jobId, phase, hold),
    endHold: (jobId, at) => endHold(database, jobId, at),
    holds: (jobIds, at) => findHolds(database, jobIds, at),
  };
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
