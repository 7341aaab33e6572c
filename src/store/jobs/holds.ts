import type { ExpressionBuilder } from 'kysely';
import {
  decideRelease,
  type Hold,
  type NewHold,
  type ReleaseDecision,
  type ReleaseRequest,
} from '../../core/release.js';
import type { Database } from '../database/database.js';
import { inParts } from '../database/parts.js';
import { toFlag } from '../database/row-values.js';
import type { Schema } from '../database/schema.js';
import { recheckBehind } from '../sessions/host-locks.js';
import { lockPlacesOf } from '../sessions/places.js';
import { noteWanted } from '../sessions/session-hold.js';
import { getSession } from '../sessions/session-rows.js';
import type { PhaseStore } from '../store.js';
import { isHeldAt, requireOpen, toHold, toPhase } from './phase-rows.js';

/** Failed phases that are kept for debugging. */
export function createHoldStore(
  database: Database,
): Pick<PhaseStore, 'hold' | 'endHold' | 'holds'> {
  return {
    hold: (jobId, phase, hold, at) => saveHold(database, { jobId, phase, hold, at }),
    endHold: (jobId, request) => endHold(database, jobId, request),
    holds: (jobIds, at) => findHolds(database, jobIds, at),
  };
}

interface ReportedHold {
  readonly jobId: string;
  readonly phase: string;
  readonly hold: NewHold;
  readonly at: string;
}

function saveHold(
  { dialect, write }: Database,
  { jobId, phase, hold, at }: ReportedHold,
): Promise<void> {
  const { since, until, command, canRerun = false } = hold;
  return write(async (db, emit) => {
    const context = { dialect, db, emit, at };
    await lockPlacesOf(context, jobId);
    const row = await db
      .updateTable('phases')
      .set((eb) => ({
        hold_since: since,
        hold_until: until,
        hold_command: command,
        hold_can_rerun: toFlag(canRerun),
        hold_released_at: keepOf(eb, since, 'hold_released_at'),
        hold_rerun_at: keepOf(eb, since, 'hold_rerun_at'),
        hold_rerun_by: keepOf(eb, since, 'hold_rerun_by'),
      }))
      .where('job_id', '=', jobId)
      .where('name', '=', phase)
      .where('sealed_at', 'is', null)
      .where((eb) => eb.or([eb('hold_since', 'is', null), eb('hold_since', '<=', since)]))
      .returning('name')
      .executeTakeFirst();
    if (row === undefined) await requireOpen(db, jobId, phase);
    else {
      // A restored record may be older than the request for holds.
      const session = await getSession(db, jobId);
      if (!session.request.debugOnFailure) await noteWanted(db, session);
      // Sessions that wait for the hosts of this one say that it is held.
      await recheckBehind(context, jobId);
    }
    emit({ kind: 'session', jobId });
  });
}

/** How a hold was ended belongs to the hold that began then, and not to a later one. */
function keepOf(
  eb: ExpressionBuilder<Schema, 'phases'>,
  since: string,
  column: 'hold_released_at' | 'hold_rerun_at' | 'hold_rerun_by',
) {
  return eb.case().when('hold_since', '=', since).then(eb.ref(column)).else(null).end();
}

function endHold(
  { dialect, write }: Database,
  jobId: string,
  request: ReleaseRequest,
): Promise<ReleaseDecision> {
  const { at, by, rerun } = request;
  return write(async (db, emit) => {
    const context = { dialect, db, emit, at };
    await lockPlacesOf(context, jobId);
    // Locks the phases, so that of two requests the second one sees what the first one did.
    const rows = await db
      .updateTable('phases')
      .set((eb) => ({ hold_since: eb.ref('hold_since') }))
      .where('job_id', '=', jobId)
      .where('hold_since', 'is not', null)
      .returningAll()
      .execute();
    const [latest] = rows.toSorted((a, b) => b.position - a.position);
    const hold = latest === undefined ? null : toHold(latest);
    const decision = decideRelease(hold ?? undefined, latest?.sealed_at != null, request);
    if (latest === undefined || decision.kind !== 'end') return decision;
    await db
      .updateTable('phases')
      // An earlier version of the API must not tell the job that it is released.
      .set(rerun ? { hold_rerun_at: at, hold_rerun_by: by } : { hold_released_at: at })
      .where('job_id', '=', jobId)
      .where('position', '=', latest.position)
      .execute();
    await recheckBehind(context, jobId);
    emit({ kind: 'session', jobId });
    return decision;
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
