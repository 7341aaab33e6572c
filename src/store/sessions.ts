import type { Session } from '../core/session.js';
import type { Connection, Database } from './database.js';
import { createCountStore } from './session-counts.js';
import { planFilter } from './session-filter.js';
import { createProgressStore } from './session-progress.js';
import { createRequestStore } from './session-requests.js';
import { toSession } from './session-rows.js';
import type { Page, PageRequest, SessionFilter, SessionStore } from './store.js';
import { createWishStore } from './wishes.js';

export function createSessionStore(database: Database): SessionStore {
  const findRow = (select: (db: Connection) => ReturnType<typeof selectSessions>) =>
    database.read(async (db) => {
      const row = await select(db).executeTakeFirst();
      return row === undefined ? undefined : toSession(row);
    });
  return {
    ...createRequestStore(database),
    ...createProgressStore(database),
    ...createWishStore(database),
    ...createCountStore(database),
    find: (name) =>
      findRow((db) => selectSessions(db).where('name', '=', name).where('deleted_at', 'is', null)),
    get: (jobId) => findRow((db) => selectSessions(db).where('job_id', '=', jobId)),
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
