import {
  expressionBuilder,
  sql,
  type Expression,
  type ExpressionBuilder,
  type SelectQueryBuilder,
  type SqlBool,
} from 'kysely';
import type { Connection } from '../database/database.js';
import type { StoreDialect } from '../database/dialect.js';
import type { Schema } from '../database/schema.js';
import type { SessionFilter } from '../store.js';
import { FEW_TAGS, haveTags, isTagText, type Tag } from './tag-filter.js';

type Sessions = ExpressionBuilder<Schema, 'sessions'>;
type Column = 'name' | 'state' | 'succeeded' | 'created_at';
type JobIds = SelectQueryBuilder<Schema, 'sessions' | 'session_tags', { job_id: string }>;

/**
 * If a filter alone matches fewer sessions than this, they are looked up and sorted. If every filter matches more, a walk in
 * order of names soon fills a page.
 */
const FEW = 5_000;

/**
 * The condition for sessions that are not deleted. A walk in order of names would read every session to find the few that
 * carry a tag or were created in a certain time. So if one filter alone matches few, these are looked up, and the other
 * columns are hidden from the planner (`|| ''`), so that it uses no other index.
 */
export async function planFilter(
  db: Connection,
  dialect: StoreDialect,
  filter: SessionFilter,
  afterName?: string,
): Promise<(eb: Sessions) => Expression<SqlBool>> {
  const few = await findFew(db, listCandidates(db, filter));
  const hidden = few === undefined ? await findHidden(db, filter) : undefined;
  return (eb) => {
    const column = (name: Column) =>
      few === undefined && name !== hidden ? eb.ref(name) : sql<string>`(${eb.ref(name)} || '')`;
    const { nameContains, tags = {} } = filter;
    return eb.and([
      eb('deleted_at', 'is', null),
      ...(few === undefined ? [] : [dialect.isOneOfFew(eb.ref('job_id'), few)]),
      ...matchColumns(filter, afterName, column),
      ...(nameContains === undefined ? [] : [dialect.nameContains(nameContains)]),
      ...haveTags(db, sql.ref('sessions.job_id'), Object.entries(tags)),
    ]);
  };
}

/** The conditions on columns that sessions and tags both have. `column` gives a column in the form in which it is compared. */
export function matchColumns(
  { state, succeeded, createdFrom, createdUntil }: SessionFilter,
  afterName: string | undefined,
  column: (name: Column) => Expression<string>,
): readonly Expression<SqlBool>[] {
  const eb = expressionBuilder<Schema>();
  return [
    ...(state === undefined ? [] : [eb(column('state'), '=', state)]),
    ...(succeeded === undefined ? [] : [eb(column('succeeded'), '=', succeeded)]),
    ...(createdFrom === undefined ? [] : [eb(column('created_at'), '>=', createdFrom)]),
    ...(createdUntil === undefined ? [] : [eb(column('created_at'), '<=', createdUntil)]),
    ...(afterName === undefined ? [] : [eb(column('name'), '>', afterName)]),
  ];
}

/**
 * The tag along whose index a page is read: the first that few sessions carry, or else the first. Undefined if the time or
 * the result alone matches few.
 */
export async function findLeadingTag(
  db: Connection,
  filter: SessionFilter,
): Promise<Tag | undefined> {
  const tags = Object.entries(filter.tags ?? {}).slice(0, FEW_TAGS);
  const first = tags[0];
  const { succeeded } = filter;
  const others = [
    ...selectByTime(db, filter),
    ...(succeeded === undefined ? [] : [selectBy(db, 'succeeded', succeeded)]),
  ];
  if (first === undefined || (await findFew(db, others)) !== undefined) return undefined;
  if (tags.length === 1) return first;
  for (const tag of tags) if (await isFew(db, selectByTag(db, tag))) return tag;
  return first;
}

/** State and result each have an index. Returns the one whose index would mislead, because the other matches few. */
async function findHidden(db: Connection, { state, succeeded }: SessionFilter) {
  if (state === undefined || succeeded === undefined) return undefined;
  if (await isFew(db, selectBy(db, 'succeeded', succeeded))) return 'state';
  return (await isFew(db, selectBy(db, 'state', state))) ? 'succeeded' : undefined;
}

async function findFew(db: Connection, candidates: readonly JobIds[]): Promise<JobIds | undefined> {
  for (const some of candidates) if (await isFew(db, some)) return some;
  return undefined;
}

async function isFew(db: Connection, candidates: JobIds): Promise<boolean> {
  const counted = db.selectFrom(candidates.limit(FEW).as('candidates'));
  const { count } = await counted
    .select((eb) => eb.fn.countAll().as('count'))
    .executeTakeFirstOrThrow();
  return Number(count) < FEW;
}

function listCandidates(db: Connection, filter: SessionFilter): readonly JobIds[] {
  const tags = Object.entries(filter.tags ?? {}).slice(0, FEW_TAGS);
  return [...selectByTime(db, filter), ...tags.map((tag) => selectByTag(db, tag))];
}

function selectByTag(db: Connection, [key, value]: Tag): JobIds {
  return db
    .selectFrom('session_tags')
    .select('job_id')
    .where(isTagText('key', key, 'session_tags'))
    .where(isTagText('value', value, 'session_tags'));
}

function selectByTime(
  db: Connection,
  { createdFrom, createdUntil }: SessionFilter,
): readonly JobIds[] {
  if (createdFrom === undefined && createdUntil === undefined) return [];
  const created = selectLive(db)
    .$if(createdFrom !== undefined, (query) => query.where('created_at', '>=', createdFrom ?? ''))
    .$if(createdUntil !== undefined, (query) =>
      query.where('created_at', '<=', createdUntil ?? ''),
    );
  return [created];
}

function selectBy(db: Connection, column: 'state' | 'succeeded', value: string): JobIds {
  return selectLive(db).where(sql<SqlBool>`${sql.ref(column)} = ${value}`);
}

function selectLive(db: Connection) {
  return db.selectFrom('sessions').select('job_id').where('deleted_at', 'is', null);
}
