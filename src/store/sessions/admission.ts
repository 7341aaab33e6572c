import { sql, type SqlBool } from 'kysely';
import type { Connection, Database, WriteContext } from '../database/database.js';
import type { AdmissionStore } from '../store.js';
import type { Admitted } from './admission-store.js';
import { admitQueued } from './places.js';
import { letUnblockedGo, requestHosts } from './host-locks.js';
import { isBehind, isQueued, isWithoutPlace } from './session-conditions.js';
import { countSessions } from './session-counts.js';

/** The same as `isQueued`, in a form that indexes alone can answer: `waits_for` would be read from each row of the queue. */
const isInLine = sql<SqlBool>`${isWithoutPlace} and job_id not in (select job_id from sessions where ${isBehind})`;

/** For so many sessions, counting those ahead of each costs less than reading the whole queue, which may be long. */
const FEW = 5;

export function createAdmissionStore(database: Database): AdmissionStore {
  return {
    requestHosts: (jobId, request) => requestHosts(database, jobId, request),
    admit: (at) => database.write((db, emit) => admit({ dialect: database.dialect, db, emit, at })),
    listAdmissible: (at) => listAdmissible(database, at),
    places: (jobIds) =>
      database.read((db) =>
        jobIds.length <= FEW ? countAhead(db, jobIds) : rankSome(db, new Set(jobIds)),
      ),
    allPlaces: () => database.read(async (db) => new Map(await rankQueue(db))),
    countQueued: () => database.read((db) => countSessions(db, isQueued)),
    countBehind: () => database.read((db) => countSessions(db, isBehind)),
  };
}

async function admit(context: WriteContext): Promise<readonly Admitted[]> {
  await letUnblockedGo(context);
  return admitQueued(context);
}

/** Does it and undoes it, because a second set of queries would have to follow every rule of the first. */
async function listAdmissible(
  { dialect, write }: Database,
  at: string,
): Promise<readonly Admitted[]> {
  const undo = new Error('Undone on purpose.');
  let admitted: readonly Admitted[] = [];
  try {
    await write(async (db, emit) => {
      admitted = await admit({ dialect, db, emit, at });
      throw undo;
    });
  } catch (error) {
    if (error !== undo) throw error;
  }
  return admitted;
}

async function countAhead(
  db: Connection,
  jobIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (jobIds.length === 0) return new Map();
  const rows = await db
    .selectFrom('sessions as own')
    .select((eb) => [
      'own.job_id',
      eb
        .selectFrom('sessions as ahead')
        .select(({ fn }) => fn.countAll().as('count'))
        .where(isInLine)
        .where(sql<SqlBool>`(ahead.queued_at, ahead.job_id) <= (own.queued_at, own.job_id)`)
        .as('place'),
    ])
    .where('own.job_id', 'in', jobIds)
    .where(isQueued)
    .execute();
  return new Map(rows.map(({ job_id: jobId, place }) => [jobId, Number(place)]));
}

async function rankSome(
  db: Connection,
  jobIds: ReadonlySet<string>,
): Promise<ReadonlyMap<string, number>> {
  return new Map((await rankQueue(db)).filter(([jobId]) => jobIds.has(jobId)));
}

async function rankQueue(db: Connection): Promise<readonly (readonly [string, number])[]> {
  const query = db.selectFrom('sessions').select('job_id').where(isInLine);
  const rows = await query.orderBy('queued_at').orderBy('job_id').execute();
  return rows.map(({ job_id: jobId }, index) => [jobId, index + 1]);
}
