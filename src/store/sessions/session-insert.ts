import { sql, type RawBuilder } from 'kysely';
import { taken } from '../../core/errors.js';
import type { Session } from '../../core/session.js';
import { createGrouping } from '../database/grouping.js';
import type { Connection, Database, Emit } from '../database/database.js';
import { inParts } from '../database/parts.js';
import { toFlag } from '../database/row-values.js';
import type { SessionRow } from '../database/schema.js';
import { toSession } from './session-rows.js';
import type { Change, NewSession, SessionStore } from '../store.js';
import { toTagText } from './tags.js';

interface TagRow {
  readonly job_id: string;
  readonly key: string;
  readonly value: string;
}

export function createInsert(database: Database): SessionStore['insert'] {
  const { dialect } = database;
  if (dialect.hasOneWriter)
    return async (session) => toInserted(session, await insertAlone(database, session));
  const insert = createGrouping((sessions: readonly NewSession[]) =>
    insertTogether(database, sessions),
  );
  return async (session) =>
    toInserted(session, (await insert(session)) ?? (await insertAlone(database, session)));
}

/** Inserts within the caller's transaction. Returns the rows in the order of the sessions; undefined if the name is taken. */
export async function addSessions(
  { dialect }: Database,
  db: Connection,
  emit: Emit,
  sessions: readonly NewSession[],
): Promise<readonly (SessionRow | undefined)[]> {
  if (sessions.length === 0) return [];
  const rows = await (dialect.hasOneWriter
    ? insertInSteps(db, sessions)
    : insertRows(db, sessions, sql`true`));
  return matchRows(rows, sessions, emit);
}

/** Without RETURNING, for which SQLite keeps a copy of every page that the statement changes: it takes three times as long. */
async function insertInSteps(
  db: Connection,
  sessions: readonly NewSession[],
): Promise<readonly SessionRow[]> {
  const inserted: NewSession[] = [];
  for (const session of sessions) if (await insertRow(db, session)) inserted.push(session);
  const rows: SessionRow[] = [];
  for (const some of inParts(inserted.map(({ jobId }) => jobId)))
    rows.push(
      ...(await db.selectFrom('sessions').selectAll().where('job_id', 'in', some).execute()),
    );
  const byJobId = new Map(rows.map((row) => [row.job_id, row]));
  const tags = inserted.flatMap(toTagRows).flatMap((tag) => {
    const row = byJobId.get(tag.job_id);
    if (row === undefined) return [];
    const { name, created_at, state, succeeded } = row;
    return { ...tag, name, created_at, state, succeeded };
  });
  for (const some of inParts(tags)) await db.insertInto('session_tags').values(some).execute();
  return rows;
}

/** Whether it was inserted, which it is not if its name is taken. */
async function insertRow(db: Connection, session: NewSession): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await db
    .insertInto('sessions')
    .values(toRow(session))
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

/**
 * Inserts one session. On PostgreSQL this follows a group insert that found the name in use. If a transaction under way is
 * about to free the name, this statement waits for it, and no other session of the group has to.
 */
async function insertAlone(
  database: Database,
  session: NewSession,
): Promise<SessionRow | undefined> {
  return database.writeAtOnce(async (db, emit) => {
    return (await addSessions(database, db, emit, [session]))[0];
  });
}

const isFree = sql`not exists (
  select from sessions where sessions.name = given.name and deleted_at is null)`;

/** Inserts a group with its tags in one statement, its own transaction. Of sessions with the same name the first wins. */
async function insertTogether(
  { writeAtOnce }: Database,
  sessions: readonly NewSession[],
): Promise<readonly (SessionRow | undefined)[]> {
  return writeAtOnce(async (db, emit) => {
    const rows = await insertRows(db, sessions, isFree);
    return matchRows(rows, sessions, emit);
  });
}

function matchRows(
  rows: readonly SessionRow[],
  sessions: readonly NewSession[],
  emit: Emit,
): readonly (SessionRow | undefined)[] {
  const byName = new Map(rows.map((row) => [row.name, row]));
  return sessions.map((session) => {
    const row = byName.get(session.request.name);
    // A row answers one request only, even if two requests have the same job id.
    if (row?.job_id !== session.jobId) return undefined;
    byName.delete(row.name);
    toChanges(session).forEach(emit);
    return row;
  });
}

function insertRows(
  db: Connection,
  sessions: readonly NewSession[],
  isWanted: RawBuilder<unknown>,
): Promise<SessionRow[]> {
  // Sorted, so that concurrent statements take their locks in the same order and cannot deadlock.
  const rows = sessions.map(toRow).sort((left, right) => (left.name < right.name ? -1 : 1));
  const tags = sessions.flatMap(toTagRows);
  const texts = <Row>(from: readonly Row[], column: keyof Row) =>
    sql`${from.map((row) => row[column])}::text[]`;
  const given = sql`unnest(${texts(rows, 'job_id')}, ${texts(rows, 'name')}, ${texts(rows, 'created_at')},
    ${texts(rows, 'request')}, ${texts(rows, 'dispatched')}, ${rows.map((row) => row.external)}::int[],
    ${texts(rows, 'done')}, ${texts(rows, 'snapshot')})`;
  const givenTags = sql`unnest(${texts(tags, 'job_id')}, ${texts(tags, 'key')}, ${texts(tags, 'value')})`;
  const query = sql<SessionRow>`
    with inserted as (
      insert into sessions (job_id, name, created_at, request, dispatched, external, done, snapshot)
      select * from ${given} as given (job_id, name, created_at, request, dispatched, external, done, snapshot)
      where ${isWanted}
      on conflict do nothing
      returning *
    ), tagged as (
      insert into session_tags (job_id, key, value, name, created_at, state, succeeded)
      select job_id, key, value, name, created_at, state, succeeded
      from ${givenTags} as tag (job_id, key, value) join inserted using (job_id)
    )
    select * from inserted`;
  return query.execute(db).then((result) => result.rows);
}

function toInserted({ request }: NewSession, row: SessionRow | undefined): Session {
  if (row === undefined) throw taken('session', request.name);
  return toSession(row);
}

function toRow({ jobId, request, createdAt, external = false, done, snapshot }: NewSession) {
  return {
    job_id: jobId,
    name: request.name,
    created_at: createdAt,
    request: JSON.stringify(request),
    external: toFlag(external),
    // Nothing about an external session is left to tell Temporal.
    dispatched: external ? ('cancelled' as const) : ('none' as const),
    done: done === undefined ? null : JSON.stringify(done),
    snapshot: snapshot === undefined ? null : JSON.stringify(snapshot),
  };
}

function toTagRows({ jobId, request }: NewSession): readonly TagRow[] {
  return Object.entries(request.tags).map(([key, value]) => ({
    job_id: jobId,
    key: toTagText(key),
    value: toTagText(value),
  }));
}

/** An external session has no wish, because Temporal is never told of it. */
function toChanges({ jobId, external = false }: NewSession): readonly Change[] {
  const change: Change = { kind: 'session', jobId };
  return external ? [change] : [{ kind: 'wish' }, change];
}
