import type { Database } from '../database/database.js';
import type { AdmissionStore } from '../store.js';
import { admitQueued } from './places.js';
import { letUnblockedGo, requestHosts } from './host-locks.js';
import { isBehind, isQueued } from './session-conditions.js';
import { countSessions } from './session-counts.js';

export function createAdmissionStore(database: Database): AdmissionStore {
  return {
    requestHosts: (jobId, request) => requestHosts(database, jobId, request),
    admit: (at) =>
      database.write(async (db, emit) => {
        const context = { dialect: database.dialect, db, emit, at };
        await letUnblockedGo(context);
        await admitQueued(context);
      }),
    places: () =>
      database.read(async (db) => {
        const query = db.selectFrom('sessions').select('job_id').where(isQueued);
        const rows = await query.orderBy('queued_at').orderBy('job_id').execute();
        return new Map(rows.map(({ job_id: jobId }, index) => [jobId, index + 1]));
      }),
    countQueued: () => database.read((db) => countSessions(db, isQueued)),
    countBehind: () => database.read((db) => countSessions(db, isBehind)),
  };
}
