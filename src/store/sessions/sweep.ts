import { sql, type ExpressionBuilder, type Selectable } from 'kysely';
import type { Database } from '../database/database.js';
import type { Flag } from '../database/row-values.js';
import type { Schema } from '../database/schema.js';
import type { PageRequest } from '../database/page.js';
import type { SweepStore } from '../store.js';
import { AT_ONCE, isUnfinished } from './session-conditions.js';

/** Workers call `seeMachine` every thirty seconds. */
const SILENCE_MS = 120_000;

export function createSweepStore(database: Database): SweepStore {
  const { read, write } = database;
  return {
    listUnfinished: (page) => listUnfinished(database, page),
    listLeftovers: (limit) => listLeftovers(database, limit),
    bindTemporal: (namespaceId) =>
      write(async (db) => {
        await db
          .updateTable('deployment')
          .set({ temporal_namespace_id: namespaceId })
          .where('temporal_namespace_id', 'is', null)
          .execute();
        const query = db.selectFrom('deployment').select('temporal_namespace_id');
        return (await query.executeTakeFirstOrThrow()).temporal_namespace_id ?? namespaceId;
      }),
    rebindTemporal: (namespaceId) =>
      write(async (db) => {
        const { numUpdatedRows } = await db
          .updateTable('deployment')
          .set({ temporal_namespace_id: namespaceId })
          .where((eb) => eb(eb.fn.coalesce('temporal_namespace_id', eb.val('')), '<>', namespaceId))
          .executeTakeFirst();
        // Notifications that were handed over went to the former Temporal, so they are handed over again.
        if (numUpdatedRows > 0n)
          await db.updateTable('notifications').set({ handed_at: null }).execute();
      }),
    tellAgain: () => tellAgain(database),
    clock: () => readClock(database),
    seeMachine: (machine, at) => seeMachine(database, machine, at),
    listMachines: () =>
      read(async (db) => {
        const rows = await db.selectFrom('machines').selectAll().execute();
        return new Map(
          rows.map((row: Selectable<Schema['machines']>) => [row.machine, row.seen_at]),
        );
      }),
    attachOnly: () =>
      write(async (db) => {
        const rows = await db
          .updateTable('sessions')
          .set({ attach_only: 1 })
          .where('state', '<>', 'complete')
          .where('attach_only', '=', 0)
          .returning('name')
          .execute();
        return rows.map(({ name }) => name).sort();
      }),
  };
}

/** A session that waits for nothing any more hears of its admission without harm. */
function tellAgain({ write }: Database): Promise<void> {
  return write(async (db, emit) => {
    await db
      .updateTable('sessions')
      .set((eb) => ({
        dispatched: 'started',
        admission_due: eb
          .case()
          .when(wasAdmitted(eb))
          .then(eb.val<Flag>(1))
          .else(eb.ref('admission_due'))
          .end(),
        wish_at: AT_ONCE,
      }))
      .where(isUnfinished)
      .where('external', '=', 0)
      .where((eb) => eb.or([eb('dispatched', '=', 'cancelled'), wasAdmitted(eb)]))
      .execute();
    await db.updateTable('notifications').set({ handed_at: null }).execute();
    emit({ kind: 'wish' });
  });
}

/** It has waited, for a place or for hosts, and need not any more. */
function wasAdmitted(eb: ExpressionBuilder<Schema, 'sessions'>) {
  return eb.and([eb('queued_at', 'is not', null), eb('admitted_at', 'is not', null)]);
}

async function readClock({ dialect: { clock }, read }: Database): Promise<string> {
  if (clock === undefined) return new Date().toISOString();
  const { rows } = await read((db) => sql<{ now: string }>`select ${clock} as now`.execute(db));
  return rows[0]?.now ?? '';
}

/**
 * If no machine was seen for `SILENCE_MS`, the database was away, or all of them were. Then all count as seen now, and so does
 * one that was seen so much later, before the clock was set back: else, once dead, it would seem alive until then.
 */
function seeMachine({ write }: Database, machine: string, at: string): Promise<void> {
  const shift = (milliseconds: number) => new Date(Date.parse(at) + milliseconds).toISOString();
  const [silent, ahead] = [shift(-SILENCE_MS), shift(SILENCE_MS)];
  return write(async (db) => {
    const heard = db.selectFrom('machines as other').select('other.machine');
    await db
      .updateTable('machines')
      .set({ seen_at: at })
      .where((eb) =>
        eb.or([
          eb('seen_at', '>', ahead),
          eb.not(eb.exists(heard.where('other.seen_at', '>=', silent))),
        ]),
      )
      .execute();
    await db
      .insertInto('machines')
      .values({ machine, seen_at: at })
      .onConflict((conflict) => conflict.column('machine').doUpdateSet({ seen_at: at }))
      .execute();
  });
}

function listUnfinished(
  { read }: Database,
  { limit, afterId }: PageRequest,
): ReturnType<SweepStore['listUnfinished']> {
  return read(async (db) => {
    let query = db.selectFrom('sessions').select(['job_id as jobId', 'name']).where(isUnfinished);
    if (afterId !== undefined) query = query.where('job_id', '>', afterId);
    const rows = await query
      .orderBy('job_id')
      .limit(limit + 1)
      .execute();
    return { items: rows.slice(0, limit), hasMore: rows.length > limit };
  });
}

function listLeftovers({ read }: Database, limit: number): ReturnType<SweepStore['listLeftovers']> {
  return read(async (db) => {
    const staged = db.selectFrom('staged_files').select('job_id');
    const noted = db.selectFrom('resources').select('job_id');
    const rows = await db
      .selectFrom('sessions')
      .select(['job_id', 'name'])
      .where('state', '=', 'complete')
      .where('job_id', 'in', staged.union(noted))
      // In random order, so that many leftovers that cannot be removed do not keep the others from their turn.
      .orderBy(sql`random()`)
      .limit(limit)
      .execute();
    return rows.map(({ job_id: jobId, name }) => ({ jobId, name }));
  });
}
