import { sql, type SqlBool } from 'kysely';

/** Of a line; an entry of an index of PostgreSQL holds some 2,700 bytes, and a character has up to four. */
const MOST = 64;

/** In the words of the index: of each line of tags its beginning, and all of it if that is short. */
export const tagBeginnings = sql`string_to_array(btrim(
  case when length(tags) <= ${sql.lit(MOST)} then tags
  else regexp_replace(tags, ${sql.lit(`([^\\n]{${MOST}})[^\\n]*`)}, '\\1', 'g') end, e'\\n'), e'\\n')`;

/** Whoever finds by it looks at the whole line too. */
export function hasBeginnings(lines: readonly string[]) {
  const beginnings = lines.map((line) => Array.from(line).slice(0, MOST).join(''));
  return sql<SqlBool>`${tagBeginnings} @> ${beginnings}::text[]`;
}
