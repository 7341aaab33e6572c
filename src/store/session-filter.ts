import {
  sql,
  type Expression,
  type ExpressionBuilder,
  type SelectQueryBuilder,
  type SqlBool,
} from 'kysely';
import type { Connection } from './database.js';
import type { StoreDialect } from './dialect.js';
import type { Schema } from './schema.js';
import type { SessionFilter } from './store.js';
import { toTagTexts } from './tags.js';

type Sessions = ExpressionBuilder<Schema, 'sessions'>;
type Tag = readonly [key: string, value: string];
type JobIds = SelectQueryBuilder<Schema, 'sessions' | 'session_tags', { job_id: string }>;

/** Up to so many candidates are looked up and sorted; where every filter fits more, the walk in order of names soon fills a page. */
const FEW = 5_000;
const FEW_TAGS = 8;

/**
 * The condition on a session that is not deleted. A walk by name would read everything to find the few that carry a tag or
 * were made in a time: where one filter by itself leaves few, those are looked up, and no other index may lead.
 */
export async function planFilter(
  db: Connection,
  dialect: StoreDialect,
  filter: SessionFilter,
  afterName?: string,
): Promise<(eb: Sessions) => Expression<SqlBool>> {
  const few = await findFew(db, filter);
  return (eb) => {
    const column = (name: 'name' | 'state' | 'succeeded' | 'created_at') =>
      few === undefined ? eb.ref(name) : sql<string>`(${eb.ref(name)} || '')`;
    const { state, succeeded, nameContains, createdFrom, createdUntil, tags = {} } = filter;
    return eb.and([
      eb('deleted_at', 'is', null),
      ...(few === undefined ? [] : [dialect.isOneOfFew(eb.ref('job_id'), few)]),
      ...(state === undefined ? [] : [eb(column('state'), '=', state)]),
      ...(succeeded === undefined ? [] : [eb(column('succeeded'), '=', succeeded)]),
      ...(createdFrom === undefined ? [] : [eb(column('created_at'), '>=', createdFrom)]),
      ...(createdUntil === undefined ? [] : [eb(column('created_at'), '<=', createdUntil)]),
      ...(afterName === undefined ? [] : [eb(column('name'), '>', afterName)]),
      ...(nameContains === undefined ? [] : [dialect.contains(eb.ref('name'), nameContains)]),
      ...haveTags(eb, Object.entries(tags)),
    ]);
  };
}

/** A condition for each is planned best; of very many no database makes a plan. */
function haveTags(eb: Sessions, tags: readonly Tag[]): readonly Expression<SqlBool>[] {
  return tags.length <= FEW_TAGS
    ? tags.map(([key, value]) => hasTag(eb, key, value))
    : [hasManyTags(eb, tags)];
}

/** A session has each key once, so it has them all if it has as many. */
function hasManyTags(eb: Sessions, tags: readonly Tag[]): Expression<SqlBool> {
  const pairs = tags.flatMap(([key, value]) =>
    toTagTexts(key).flatMap((text) => toTagTexts(value).map((other) => sql`(${text}, ${other})`)),
  );
  const found = eb
    .selectFrom('session_tags')
    .select((inner) => inner.fn.countAll().as('count'))
    .whereRef('session_tags.job_id', '=', 'sessions.job_id')
    .where(sql<SqlBool>`(key, value) in (values ${sql.join(pairs)})`);
  return eb(found, '=', tags.length);
}

function hasTag(eb: Sessions, key: string, value: string) {
  return eb.exists(
    eb
      .selectFrom('session_tags')
      .select('session_tags.key')
      .whereRef('session_tags.job_id', '=', 'sessions.job_id')
      .where('session_tags.key', 'in', toTagTexts(key))
      .where('session_tags.value', 'in', toTagTexts(value)),
  );
}

async function findFew(db: Connection, filter: SessionFilter): Promise<JobIds | undefined> {
  for (const candidates of listCandidates(db, filter)) {
    const counted = db.selectFrom(candidates.limit(FEW).as('candidates'));
    const { count } = await counted
      .select((eb) => eb.fn.countAll().as('count'))
      .executeTakeFirstOrThrow();
    if (Number(count) < FEW) return candidates;
  }
  return undefined;
}

function listCandidates(db: Connection, filter: SessionFilter): readonly JobIds[] {
  const { createdFrom, createdUntil, tags = {} } = filter;
  const some = Object.entries(tags).slice(0, FEW_TAGS);
  const tagged = some.map(([key, value]) =>
    db
      .selectFrom('session_tags')
      .select('job_id')
      .where('key', 'in', toTagTexts(key))
      .where('value', 'in', toTagTexts(value)),
  );
  if (createdFrom === undefined && createdUntil === undefined) return tagged;
  const created = db
    .selectFrom('sessions')
    .select('job_id')
    .where('deleted_at', 'is', null)
    .where((eb) =>
      eb.and([
        ...(createdFrom === undefined ? [] : [eb('created_at', '>=', createdFrom)]),
        ...(createdUntil === undefined ? [] : [eb('created_at', '<=', createdUntil)]),
      ]),
    );
  return [...tagged, created];
}
