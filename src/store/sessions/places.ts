import { sql, type SqlBool } from 'kysely';
import type { WriteContext } from '../database/database.js';
import { readOption } from '../options.js';
import type { Admitted } from './admission-store.js';
import { AT_ONCE, isAdmitted, isQueued, isWithoutPlace } from './session-conditions.js';
import { countSessions } from './session-counts.js';

type Locking = Pick<WriteContext, 'db' | 'dialect'>;

/**
 * Admits a claimed session or puts it in the queue, once. If the session has been queued, sessions are admitted from the
 * queue in their order instead: a claim may come late, when the workflow already waits to be told. The caller must hold the
 * lock of `lockPlaces`.
 */
export async function queueOrAdmit(context: WriteContext, jobId: string): Promise<void> {
  const { db, at } = context;
  const limit = await readOption(db, 'maxRunningSessions');
  const isFull = limit > 0 && (await countSessions(db, isAdmitted)) >= limit;
  const { numUpdatedRows } = await db
    .updateTable('sessions')
    .set(isFull ? { queued_at: await toLast(context) } : { admitted_at: at })
    .where('job_id', '=', jobId)
    .where('state', '<>', 'complete')
    .where('queued_at', 'is', null)
    .where('admitted_at', 'is', null)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) await admitQueued(context);
}

/** A time later than that of every session in the queue, although the clock may have been set back since they came. */
async function toLast({ db, at }: WriteContext): Promise<string> {
  const query = db.selectFrom('sessions').select((eb) => eb.fn.max('queued_at').as('last'));
  const last = (await query.where(isWithoutPlace).executeTakeFirst())?.last ?? '';
  return last < at ? at : new Date(Date.parse(last) + 1).toISOString();
}

/** Whether places are limited (option `max_running_sessions`). */
export const isLimited = sql<SqlBool>`exists (
  select 1 from options where options.name = 'maxRunningSessions' and value <> '0')`;

/** 1 if a session may have to be admitted: places are limited, or a session still waits because they were. */
export const hasAdmission = sql<number>`case when ${isLimited}
  or exists (select 1 from sessions as waiting where ${isQueued}) then 1 else 0 end`;

/**
 * Admits as many sessions of the queue as there are free places, oldest first, and returns them. The dispatch loop tells their
 * workflows.
 */
export async function admitQueued({
  dialect,
  db,
  emit,
  at,
}: WriteContext): Promise<readonly Admitted[]> {
  const limit = await readOption(db, 'maxRunningSessions');
  // Locked before the queue is read, because a claim that found every place taken joins the queue only when it commits.
  if (limit > 0) await lockPlaces({ db, dialect });
  const first = db.selectFrom('sessions').select('job_id').where(isQueued);
  if ((await first.limit(1).executeTakeFirst()) === undefined) return [];
  const places =
    limit === 0 ? Number.MAX_SAFE_INTEGER : limit - (await countSessions(db, isAdmitted));
  if (places <= 0) return [];
  const admitted = await db
    .updateTable('sessions')
    .set({ admitted_at: at, admission_due: 1, wish_at: AT_ONCE })
    .where('job_id', 'in', first.orderBy('queued_at').orderBy('job_id').limit(places))
    // Repeated, because a session may have changed while this statement waited for its row.
    .where(isQueued)
    .returning(['job_id as jobId', 'name'])
    .execute();
  for (const { jobId } of admitted) emit({ kind: 'session', jobId });
  if (admitted.length > 0) emit({ kind: 'wish' });
  return admitted;
}

/**
 * For the end of a session, before its row is locked: holders of the places' lock go on to lock rows of sessions, and taking
 * the locks in another order would deadlock. Takes no lock if the session has no hosts and nobody can be waiting for a place.
 */
export async function lockPlacesOf({ db, dialect }: Locking, jobId: string): Promise<void> {
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

/** Without this lock, concurrent transactions could count the same free place or find the same host free. */
export async function lockPlaces({ db, dialect }: Locking): Promise<void> {
  if (dialect.hasOneWriter) return;
  await db.selectFrom('deployment').select('id').forUpdate().execute();
}
