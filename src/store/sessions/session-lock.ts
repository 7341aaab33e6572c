import { missing } from '../../core/errors.js';
import type { Connection, Database } from '../database/database.js';
import type { SessionRow } from '../database/schema.js';

/** Reads the record of this name that is not deleted, locked against other writers until the transaction ends. */
export async function lockSession(
  { dialect }: Database,
  db: Connection,
  name: string,
): Promise<SessionRow> {
  const row = await db
    .selectFrom('sessions')
    .selectAll()
    .where('name', '=', name)
    .where('deleted_at', 'is', null)
    .$if(!dialect.hasOneWriter, (query) => query.forNoKeyUpdate())
    .executeTakeFirst();
  if (row === undefined) throw missing('Session', name);
  return row;
}
