import { sql, type Expression, type SqlBool } from 'kysely';
import type { Connection } from '../database/database.js';
import { toTagTexts } from './tags.js';

export type Tag = readonly [key: string, value: string];

export const FEW_TAGS = 8;

/** The session carries all these tags. One condition per tag gives the best plan, but no database can plan very many. */
export function haveTags(
  db: Connection,
  jobId: Expression<string>,
  tags: readonly Tag[],
): readonly Expression<SqlBool>[] {
  return tags.length <= FEW_TAGS
    ? tags.map((tag) => hasTag(db, jobId, tag))
    : [hasManyTags(db, jobId, tags)];
}

/** Compares with each form in which the text may be stored. If there is one, `=` lets the index give the rest in order. */
export function isTagText(column: 'key' | 'value', text: string, table: string) {
  const stored = sql.ref(`${table}.${column}`);
  const texts = toTagTexts(text);
  return texts.length === 1
    ? sql<SqlBool>`${stored} = ${texts[0]}`
    : sql<SqlBool>`${stored} in (${sql.join(texts)})`;
}

/**
 * A session has each key at most once, so it carries all the tags if as many are found. The key is hidden from the planner
 * (`|| ''`): without statistics PostgreSQL would look, for each session, at all sessions that carry each tag.
 */
function hasManyTags(db: Connection, jobId: Expression<string>, tags: readonly Tag[]) {
  const pairs = tags.flatMap(([key, value]) =>
    toTagTexts(key).flatMap((text) => toTagTexts(value).map((other) => sql`(${text}, ${other})`)),
  );
  const found = db
    .selectFrom('session_tags as tag')
    .select(({ fn }) => fn.countAll().as('count'))
    .where('tag.job_id', '=', jobId)
    .where(sql<SqlBool>`(tag.key || '', tag.value) in (values ${sql.join(pairs)})`);
  return sql<SqlBool>`${found} = ${tags.length}`;
}

function hasTag(db: Connection, jobId: Expression<string>, [key, value]: Tag) {
  const found = db
    .selectFrom('session_tags as tag')
    .select('tag.key')
    .where('tag.job_id', '=', jobId)
    .where(isTagText('key', key, 'tag'))
    .where(isTagText('value', value, 'tag'));
  return sql<SqlBool>`exists ${found}`;
}
