import { sql, type SqlBool } from 'kysely';

/** Characters of a line that are indexed: an entry of PostgreSQL's index holds about 2,700 bytes, a character up to four. */
const MOST = 64;

/** The expression that is indexed: the beginning of each line of tags. */
export const tagBeginnings = sql`string_to_array(btrim(
  case when length(tags) <= ${sql.lit(MOST)} then tags
  else regexp_replace(tags, ${sql.lit(`([^\\n]{${MOST}})[^\\n]*`)}, '\\1', 'g') end, e'\\n'), e'\\n')`;

/** Compares beginnings alone, so the caller must compare the whole lines too. */
export function hasBeginnings(lines: readonly string[]) {
  const beginnings = lines.map((line) => Array.from(line).slice(0, MOST).join(''));
  return sql<SqlBool>`${tagBeginnings} @> ${beginnings}::text[]`;
}
