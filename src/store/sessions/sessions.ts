import { createLookup } from '../database/grouping.js';
import type { Connection, Database } from '../database/database.js';
import type { SessionRow } from '../database/schema.js';
import { createCountStore } from './session-counts.js';
import { listSessions, readRequests } from './session-list.js';
import { createProgressStore } from './session-progress.js';
import { createRequestStore } from './session-requests.js';
import { toSession } from './session-rows.js';
import { createWaitStore } from './session-waits.js';
import type { SessionStore } from '../store.js';
import { createDispatchStore } from './dispatch.js';

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
    ...createDispatchStore(database),
    ...createWaitStore(database),
    ...createCountStore(database),
    find: async (name) => orNone(await findByName(name)),
    get: async (jobId) => orNone(await findByJobId(jobId)),
    list: (filter, page) => listSessions(database, filter, page),
    readRequests: (sessions) => readRequests(database, sessions),
  };
}

function selectSessions(db: Connection) {
  return db.selectFrom('sessions').selectAll();
}
