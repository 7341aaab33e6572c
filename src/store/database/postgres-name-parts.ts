import { type Kysely, sql } from 'kysely';

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const REFUSALS = [
  '0A000', // the extension is not installed on the server
  '58P01', // the same, in the words of another version
  '42501', // this role may not create it
  '42704', // it is installed, in a schema that is not in the search path
];

/**
 * Creates a trigram index of session names. If the server refuses it, searches read all names: slower, but no reason not to
 * start.
 */
export async function indexNameParts(db: Kysely<unknown>): Promise<void> {
  await sql`savepoint name_parts`.execute(db);
  try {
    await sql`create extension if not exists pg_trgm`.execute(db);
    await sql`create index sessions_by_name_parts on sessions using gin (name gin_trgm_ops)
      with (gin_pending_list_limit = 512) where deleted_at is null`.execute(db);
  } catch (error) {
    if (!REFUSALS.includes((error as { readonly code?: string }).code ?? '')) throw error;
    await sql`rollback to name_parts`.execute(db);
  }
}
