import type { Database } from '../database/database.js';
import { inParts } from '../database/parts.js';
import { recheckBehind } from '../sessions/host-locks.js';
import { lockPlacesOf } from '../sessions/places.js';
import type { Hold, PhaseStore } from '../store.js';
import { isHeldAt, requireOpen, toPhase } from './phase-rows.js';

/** Failed phases that are kept for debugging. */
export function createHoldStore(
  database: Database,
): Pick<PhaseStore, 'hold' | 'endHold' | 'holds'> {
  return {
    hold: (jobId, phase, hold, at) => saveHold(database, { jobId, phase, hold, at }),
    endHold: (jobId, at) => endHold(database, jobId, at),
    holds: (jobIds, at) => findHolds(database, jobIds, at),
  };
}

interface NewHold {
  readonly jobId: string;
  readonly phase: string;
  readonly hold: Omit<Hold, 'releasedAt'>;
  readonly at: string;
}

function saveHold(
  { dialect, write }: Database,
  { jobId, phase, hold, at }: NewHold,
): Promise<void> {
  const { since, until, command } = hold;
  return write(async (db, emit) => {
    const context = { dialect, db, emit, at };
    await lockPlacesOf(context, jobId);
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
    // Sessions that wait for the hosts of this one say that it is held.
    else await recheckBehind(context, jobId);
    emit({ kind: 'session', jobId });
  });
}

function endHold({ dialect, write }: Database, jobId: string, at: string): Promise<boolean> {
  return write(async (db, emit) => {
    const context = { dialect, db, emit, at };
    await lockPlacesOf(context, jobId);
    const row = await db
      .updateTable('phases')
      .set((eb) => ({ hold_released_at: eb.fn.coalesce('hold_released_at', eb.val(at)) }))
      .where('job_id', '=', jobId)
      .where('sealed_at', 'is', null)
      .where('hold_until', '>', at)
      .returning('name')
      .executeTakeFirst();
    if (row !== undefined) {
      await recheckBehind(context, jobId);
      emit({ kind: 'session', jobId });
    }
    return row !== undefined;
  });
}

async function findHolds(
  { read }: Database,
  jobIds: readonly string[],
  at: string,
): Promise<ReadonlyMap<string, Hold>> {
  const found = new Map<string, Hold>();
  for (const some of inParts(jobIds)) {
    const rows = await read((db) => {
      const query = db.selectFrom('phases').selectAll().where('job_id', 'in', some);
      return query.where(isHeldAt(at)).execute();
    });
    for (const { jobId, hold } of rows.map(toPhase)) if (hold) found.set(jobId, hold);
  }
  return found;
}
