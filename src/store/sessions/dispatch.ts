import type { ExpressionBuilder } from 'kysely';
import type { Dispatched } from '../../core/session.js';
import type { Database } from '../database/database.js';
import type { Flag } from '../database/row-values.js';
import { toSession } from './session-rows.js';
import type { Schema } from '../database/schema.js';
import type { SessionStore } from '../store.js';
import { AT_ONCE, isWish } from './session-conditions.js';
import { countSessions } from './session-counts.js';

type DispatchStore = Pick<
  SessionStore,
  'takeWishes' | 'recordDispatched' | 'returnWish' | 'nextWishAt' | 'countWishes'
>;

/** The values that each value may replace, so that `dispatched` never goes back. */
const before: Record<Dispatched, readonly Dispatched[]> = {
  none: [],
  started: ['none'],
  cancelled: ['none', 'started'],
};

export function createDispatchStore(database: Database): DispatchStore {
  return {
    takeWishes: (take) => takeWishes(database, take),
    recordDispatched: (jobId, dispatched, admission) =>
      recordDispatched(database, jobId, dispatched, admission),
    returnWish: (jobId, at) =>
      database.writeAtOnce(async (db) => {
        await db.updateTable('sessions').set({ wish_at: at }).where('job_id', '=', jobId).execute();
      }),
    nextWishAt: () =>
      database.read(async (db) => {
        const query = db
          .selectFrom('sessions')
          .select('wish_at')
          .where(isWish)
          .orderBy('wish_at')
          .limit(1);
        return (await query.executeTakeFirst())?.wish_at;
      }),
    countWishes: () => database.read((db) => countSessions(db, isWish)),
  };
}

function takeWishes(
  { dialect, writeAtOnce }: Database,
  { now, leaseUntil, limit }: Parameters<SessionStore['takeWishes']>[0],
) {
  return writeAtOnce(async (db) => {
    const due = db
      .selectFrom('sessions')
      .select('job_id')
      .where(isWish)
      // No lease ends later than `leaseUntil`. A later time was written by a clock that has been set back since.
      .where((eb) => eb.or([eb('wish_at', '<=', now), eb('wish_at', '>', leaseUntil)]))
      .orderBy('wish_at')
      .orderBy('created_at')
      .limit(limit)
      .$if(!dialect.hasOneWriter, (query) => query.forNoKeyUpdate().skipLocked());
    const rows = await db
      .updateTable('sessions')
      .set({ wish_at: leaseUntil })
      .where((eb) => dialect.isOneOfFew(eb.ref('job_id'), due))
      .returningAll()
      .execute();
    return rows.sort((left, right) => (left.created_at < right.created_at ? -1 : 1)).map(toSession);
  });
}

function recordDispatched(
  { writeAtOnce }: Database,
  jobId: string,
  dispatched: Dispatched,
  admission: { readonly toldOf: string | undefined } | undefined,
): Promise<void> {
  return writeAtOnce(async (db, emit) => {
    await db
      .updateTable('sessions')
      .set((eb) => ({
        wish_at: AT_ONCE,
        ...(admission === undefined ? {} : { admission_due: unlessTold(eb, admission.toldOf) }),
        ...(dispatched === 'none'
          ? {}
          : {
              dispatched: eb
                .case()
                .when('dispatched', 'in', before[dispatched])
                .then(eb.val(dispatched))
                .else(eb.ref('dispatched'))
                .end(),
            }),
      }))
      .where('job_id', '=', jobId)
      .execute();
    // A cancel may have come while the start was being dispatched.
    if (dispatched !== 'none') emit({ kind: 'wish' });
    if (dispatched === 'cancelled') emit({ kind: 'session', jobId });
  });
}

/** Clears the flag only if the latest admission was told: a session that waited again may have been admitted again. */
function unlessTold(eb: ExpressionBuilder<Schema, 'sessions'>, toldOf = '') {
  return eb
    .case()
    .when(eb.fn.coalesce('admitted_at', eb.val('')), '=', toldOf)
    .then(eb.val<Flag>(0))
    .else(eb.ref('admission_due'))
    .end();
}
