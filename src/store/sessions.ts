import type { Session } from '../core/session.js';
import { createLookup } from './grouping.js';
import type { Connection, Database } from './database.js';
import type { SessionRow } from './schema.js';
import { createCountStore } from './session-counts.js';
import { planFilter } from './session-filter.js';
import { createProgressStore } from './session-progress.js';
import { createRequestStore } from './session-requests.js';
import { toSession } from './session-rows.js';
import type { Page, PageRequest } from './page.js';
import type { SessionFilter, SessionStore } from './store.js';
import { createWishStore } from './wishes.js';

export function createSessionStore(database: Database): SessionStore {
  const findByName = createLookup(
    database,
    (db, names) =>
      selectSessions(db).where('name', 'in', names).where('deleted_at', 'is', null).execute(),
    ({ name }) => name,
  );
  const findByJobId = createLookup(
    database,
    (db, jobIds) => selectSessions(db).where('job_id', 'in', jobIds).execute(),
    ({ job_id: jobId }) => jobId,
  );
  const orNone = (row: SessionRow | undefined) => (row === undefined ? row : toSession(row));
  return {
    ...createRequestStore(database),
    ...createProgressStore(database),
    ...createWishStore(database),
    ...createCountStore(database),
    find: async (name) => orNone(await findByName(name)),
    get: async (jobId) => orNone(await findByJobId(jobId)),
    list: (filter, page) => listSessions(database, filter, page),
  };
}

function listSessions(
  { dialect, read }: Database,
  filter: SessionFilter,
  { limit, afterId }: PageRequest,
): Promise<Page<Session>> {
  return read(async (db) => {
    const matches = await planFilter(db, dialect, filter, afterId);
    // Of names that do not fit, an index has enough; the rows behind it are read for those that do.
    const names = db.selectFrom('sessions').select('name').where(matches).orderBy('name');
    const rows = await selectSessions(db)
      .$if(filter.nameContains === undefined, (query) => query.where(matches))
      .$if(filter.nameContains !== undefined, (query) =>
        query.where('deleted_at', 'is', null).where('name', 'in', names.limit(limit + 1)),
      )
      .orderBy('name')
      .limit(limit + 1)
      .execute();
    return { items: rows.slice(0, limit).map(toSession), hasMore: rows.length > limit };
  });
}

function selectSessions(db: Connection) {
  return db.selectFrom('sessions').selectAll();
}
