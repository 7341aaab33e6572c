import { sql, type SqlBool, type Transaction } from 'kysely';
import type { Database } from '../database/database.js';
import { readOption } from '../options.js';
import type { Schema } from '../database/schema.js';
import type { Change } from '../store.js';
import { AT_ONCE, isAdmitted, isQueued } from './session-conditions.js';

type Emit = (change: Change) => void;

/**
 * Gives a session that is claimed its place, or a place in the queue; once. One that has waited is admitted like all of the
 * queue: a claim may come late, when a workflow waits to be told. Call it with the places locked.
 */
export async function queueOrAdmit(
  database: Database,
  db: Transaction<Schema>,
  { jobId, at, emit }: { readonly jobId: string; readonly at: string; readonly emit: Emit },
): Promise<void> {
  const limit = await readOption(db, 'maxRunningSessions');
  const isFull = limit > 0 && (await countAdmitted(db)) >= limit;
  const { numUpdatedRows } = await db
    .updateTable('sessions')
    .set(isFull ? { queued_at: at } : { admitted_at: at })
    .where('job_id', '=', jobId)
    .where('state', '<>', 'complete')
    .where('queued_at', 'is', null)
    .where('admitted_at', 'is', null)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) await admitQueued(database, db, at, emit);
}

/** Whether not everybody has a place. */
export const isLimited = sql<SqlBool>`exists (
  select 1 from options where options.name = 'maxRunningSessions' and value <> '0')`;

/** 1: somebody may be to be admitted. Where places are without limit, which is the rule, only who waits since there was one. */
export const hasAdmission = sql<number>`case when ${isLimited}
  or exists (select 1 from sessions as waiting where ${isQueued}) then 1 else 0 end`;

/** As many of the queue, oldest first, as there are places; whoever dispatches tells their workflows. */
export async function admitQueued(
  database: Database,
  db: Transaction<Schema>,
  at: string,
  emit: Emit,
): Promise<void> {
  const limit = await readOption(db, 'maxRunningSessions');
  // Before the look: a claim that has found every place taken joins the queue with its commit.
  if (limit > 0) await lockPlaces(database, db);
  const first = db.selectFrom('sessions').select('job_id').where(isQueued);
  if ((await first.limit(1).executeTakeFirst()) === undefined) return;
  const places = limit === 0 ? Number.MAX_SAFE_INTEGER : limit - (await countAdmitted(db));
  if (places <= 0) return;
  const admitted = await db
    .updateTable('sessions')
    .set({ admitted_at: at, admission_due: 1, wish_at: AT_ONCE })
    .where('job_id', 'in', first.orderBy('queued_at').orderBy('job_id').limit(places))
    // Again, for who has changed while this waited for its row.
    .where(isQueued)
    .returning('job_id')
    .execute();
  for (const { job_id: jobId } of admitted) emit({ kind: 'session', jobId });
  if (admitted.length > 0) emit({ kind: 'wish' });
}

async function countAdmitted(db: Transaction<Schema>): Promise<number> {
  const query = db.selectFrom('sessions').select((eb) => eb.fn.countAll().as('count'));
  return Number((await query.where(isAdmitted).executeTakeFirstOrThrow()).count);
}

/**
 * For the end of a session, before its row is locked: who has locked the places goes on to rows of sessions, and two that
 * lock them in another order wait for each other. Where nobody waits for anything the ends need no lock.
 */
export async function lockPlacesOf(
  { dialect }: Database,
  db: Transaction<Schema>,
  jobId: string,
): Promise<void> {
  if (dialect.hasOneWriter) return;
  const session = db.selectFrom('sessions').select('job_id').where('job_id', '=', jobId);
  await db
    .selectFrom('deployment')
    .select('id')
    .where((eb) =>
      eb.or([eb.exists(session.where('host_turn', 'is not', null)), eb(hasAdmission, '=', 1)]),
    )
    .forUpdate()
    .execute();
}

/** Where transactions run side by side, two of them would count the same free place, or find the same host free. */
export async function lockPlaces({ dialect }: Database, db: Transaction<Schema>): Promise<void> {
  if (dialect.hasOneWriter) return;
  await db.selectFrom('deployment').select('id').forUpdate().execute();
}
