import { setImmediate } from 'node:timers/promises';
import type { Expression, SqlBool } from 'kysely';
import type { Connection, Database } from '../database/database.js';
import { isLive, isOpen } from './session-conditions.js';
import type { SessionCount, SessionStore } from '../store.js';

/** Sessions that one query counts. A million at once would keep the process from answering. */
const PIECE = 10_000;
const BEGIN = '';

type CountStore = Pick<SessionStore, 'countOpen' | 'countComplete'>;

/** Counts sessions that are not deleted, for metrics. */
export function createCountStore(database: Database): CountStore {
  return {
    countOpen: () => countOpen(database),
    countComplete: () => countComplete(database),
  };
}

export async function countSessions(
  db: Connection,
  condition: Expression<SqlBool>,
): Promise<number> {
  const query = db.selectFrom('sessions').select((eb) => eb.fn.countAll().as('count'));
  return Number((await query.where(condition).executeTakeFirstOrThrow()).count);
}

function countOpen({ read }: Database) {
  return read(async (db) => {
    const rows = await db
      .selectFrom('sessions')
      .select(({ fn }) => ['state', fn.countAll().as('count')])
      .where(isOpen)
      .where(isLive)
      .groupBy('state')
      .execute();
    const counts = new Map(rows.map(({ state, count }) => [state, Number(count)]));
    return { pending: counts.get('pending') ?? 0, running: counts.get('running') ?? 0 };
  });
}

/** Counts piece by piece, in order of completion. */
async function countComplete(database: Database): Promise<readonly SessionCount[]> {
  const counts = new Map<string, SessionCount>();
  let after: string | undefined = BEGIN;
  while (after !== undefined) {
    const until = await findEnd(database, after);
    for (const row of await countPiece(database, after, until)) {
      const key = `${row.succeeded} ${row.reason ?? ''}`;
      counts.set(key, { ...row, count: row.count + (counts.get(key)?.count ?? 0) });
    }
    after = until;
    await setImmediate();
  }
  return [...counts.values()];
}

/** The completion time at which the piece ends; undefined for the last piece. */
function findEnd({ read }: Database, after: string): Promise<string | undefined> {
  return read(async (db) => {
    const row = await db
      .selectFrom('sessions')
      .select('completed_at')
      .where(isLive)
      .where('completed_at', '>', after)
      .orderBy('completed_at')
      .limit(1)
      .offset(PIECE)
      .executeTakeFirst();
    return row?.completed_at ?? undefined;
  });
}

function countPiece({ read }: Database, after: string, until: string | undefined) {
  return read(async (db): Promise<readonly SessionCount[]> => {
    const rows = await db
      .selectFrom('sessions')
      .select(({ fn }) => ['succeeded', 'reason', fn.countAll().as('count')])
      .where(isLive)
      .where('completed_at', '>', after)
      .$if(until !== undefined, (query) => query.where('completed_at', '<=', until ?? ''))
      .groupBy(['succeeded', 'reason'])
      .execute();
    return rows.map(({ succeeded, reason, count }) => ({
      succeeded,
      count: Number(count),
      ...(reason === null ? {} : { reason }),
    }));
  });
}
