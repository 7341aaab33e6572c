import { setImmediate } from 'node:timers/promises';
import type { ExpressionBuilder, Transaction, Updateable } from 'kysely';
import { missing, ServiceError } from '../../core/errors.js';
import { toCancelled, toWithdrawn } from '../../core/session-end.js';
import type { Session, SessionState } from '../../core/session.js';
import type { Database } from '../database/database.js';
import type { Schema } from '../database/schema.js';
import { planFilter } from './session-filter.js';
import { requestHold } from './session-hold.js';
import { createInsert } from './session-insert.js';
import { patchSession } from './session-patch.js';
import { toOutcomeColumns, toSession } from './session-rows.js';
import type { CancelWish, SessionFilter, SessionStore } from '../store.js';

/** Blocks the process for 0.1 s on SQLite. Batches of a thousand would write the same pages three times as often. */
const DELETE_BATCH = 5_000;

type RequestStore = Pick<
  SessionStore,
  | 'insert'
  | 'requestCancel'
  | 'requestHold'
  | 'requestDelete'
  | 'requestDeletePending'
  | 'deleteMany'
  | 'patch'
>;

/** What people request, stored before anything acts on it. */
export function createRequestStore(database: Database): RequestStore {
  return {
    insert: createInsert(database),
    requestCancel: (name, wish) => requestCancel(database, name, wish),
    requestHold: (name) => requestHold(database, name),
    requestDelete: (name, wish) => requestDelete(database, name, wish),
    requestDeletePending: (name, wish) => requestDelete(database, name, wish, 'pending'),
    patch: (name, decide) => patchSession(database, name, decide),
    deleteMany: (filter, wish) => deleteMany(database, filter, wish),
  };
}

function requestCancel({ write }: Database, name: string, wish: CancelWish): Promise<Session> {
  return write(async (db, emit) => {
    const row = await db
      .updateTable('sessions')
      .set((eb) => ({ desired: 'cancel', ...toCancelColumns(eb, wish) }))
      .where('name', '=', name)
      .where('deleted_at', 'is', null)
      .where('state', '<>', 'complete')
      .where('teardown_at', 'is', null)
      .where('desired', '=', 'run')
      .returningAll()
      .executeTakeFirst();
    if (row === undefined) return refuseCancel(db, name);
    emit({ kind: 'wish' });
    emit({ kind: 'session', jobId: row.job_id });
    if (row.state === 'complete') emit({ kind: 'end' });
    return toSession(row);
  });
}

/** Follows an UPDATE that changed nothing. Returns a session that is cancelled already, and throws for every other reason. */
async function refuseCancel(db: Transaction<Schema>, name: string): Promise<Session> {
  const query = db.selectFrom('sessions').selectAll().where('name', '=', name);
  const row = await query.where('deleted_at', 'is', null).executeTakeFirst();
  if (row === undefined) throw missing('Session', name);
  if (row.desired !== 'run') return toSession(row);
  throw new ServiceError(
    'conflict',
    row.state === 'complete'
      ? `Session ${name} is complete and can no longer be cancelled.`
      : `Session ${name} is finishing its images and can no longer be cancelled.`,
  );
}

/** `state` restricts it to sessions in this state. */
function requestDelete(
  { write }: Database,
  name: string,
  wish: CancelWish,
  state?: SessionState,
): Promise<void> {
  return write(async (db, emit) => {
    const row = await db
      .updateTable('sessions')
      .set((eb) => toDeleteColumns(eb, wish))
      .where('name', '=', name)
      .where('deleted_at', 'is', null)
      .where((eb) => (state === undefined ? eb.lit(true) : eb('state', '=', state)))
      .returning(['job_id', 'completed_at'])
      .executeTakeFirst();
    if (row === undefined) throw missing('Session', name);
    // Only lists read tags, and they would come across these until retention removes the record.
    await db.deleteFrom('session_tags').where('job_id', '=', row.job_id).execute();
    emit({ kind: 'wish' });
    emit({ kind: 'session', jobId: row.job_id });
    if (row.completed_at === wish.at) emit({ kind: 'end' });
  });
}

/** Deletes in batches, because 100,000 sessions in one transaction would keep other writers waiting for seconds. */
async function deleteMany(
  database: Database,
  filter: SessionFilter,
  wish: CancelWish,
): Promise<readonly string[]> {
  const deleted: string[] = [];
  let afterName: string | undefined;
  do {
    const batch = await deleteBatch(database, filter, wish, afterName);
    deleted.push(...batch.deleted);
    afterName = batch.lastName;
    await setImmediate();
  } while (afterName !== undefined);
  return deleted.sort();
}

async function deleteBatch(
  { dialect, write }: Database,
  filter: SessionFilter,
  wish: CancelWish,
  afterName: string | undefined,
): Promise<{ readonly deleted: readonly string[]; readonly lastName: string | undefined }> {
  return write(async (db, emit) => {
    const matches = await planFilter(db, dialect, filter, afterName);
    const found = await db
      .selectFrom('sessions')
      .select(['job_id', 'name'])
      .where(matches)
      .orderBy('name')
      .limit(DELETE_BATCH)
      // Locks in order of names, so that concurrent deletes cannot deadlock.
      .$if(!dialect.hasOneWriter, (query) => query.forNoKeyUpdate())
      .execute();
    if (found.length === 0) return { deleted: [], lastName: undefined };
    const jobIds = JSON.stringify(found.map(({ job_id: jobId }) => jobId));
    // In this form each row is found by its key. With a parameter for each id PostgreSQL would rather scan the whole table.
    const isFound = (eb: ExpressionBuilder<Schema, 'sessions' | 'session_tags'>) =>
      dialect.isOneOfFew(eb.ref('job_id'), dialect.textsOf(jobIds));
    // Before the sessions, so that the trigger has no tags to update when sessions become complete.
    await db.deleteFrom('session_tags').where(isFound).execute();
    const rows = await db
      .updateTable('sessions')
      .set((eb) => toDeleteColumns(eb, wish))
      .where(isFound)
      .where('deleted_at', 'is', null)
      .returning('name')
      .execute();
    emit({ kind: 'any' });
    return {
      deleted: rows.map(({ name }) => name),
      lastName: found.length < DELETE_BATCH ? undefined : found.at(-1)?.name,
    };
  });
}

type Sessions = ExpressionBuilder<Schema, 'sessions'>;

function toDeleteColumns(eb: Sessions, wish: CancelWish) {
  return { deleted_at: wish.at, desired: 'delete', ...toCancelColumns(eb, wish) } as const;
}

/**
 * Notes who cancelled and why, unless that is known or the session is complete. Completes at once a session that is
 * unclaimed, and a running external one, which this service cannot stop. A restored record may lack the claim, and a job that
 * runs, so such a session is left to its workflow.
 */
function toCancelColumns(eb: Sessions, wish: CancelWish) {
  const isUnclaimed = eb.and([
    eb('state', '=', 'pending'),
    eb('claimed_at', 'is', null),
    eb.or([eb('attach_only', '=', 0), eb('external', '=', 1)]),
  ]);
  const isWithdrawn = eb.and([eb('state', '=', 'running'), eb('external', '=', 1)]);
  const ended = toOutcomeColumns(toCancelled(wish), wish.at);
  const withdrawn = toOutcomeColumns(toWithdrawn(wish), wish.at);
  const outcome = Object.fromEntries(
    Object.entries(ended).map(([column, value]) => [
      column,
      eb
        .case()
        .when(isUnclaimed)
        .then(eb.val(value))
        .when(isWithdrawn)
        .then(eb.val(withdrawn[column as keyof typeof ended]))
        .else(eb.ref(column as keyof typeof ended))
        .end(),
    ]),
  ) as Updateable<Schema['sessions']>;
  const noteOnce = (column: 'cancel_by' | 'cancel_reason', value: string | undefined) =>
    eb
      .case()
      .when('state', '=', 'complete')
      .then(eb.ref(column))
      .else(eb.fn.coalesce(column, eb.val(value ?? null)))
      .end();
  return {
    ...outcome,
    cancel_by: noteOnce('cancel_by', wish.by),
    cancel_reason: noteOnce('cancel_reason', wish.reason),
  };
}
