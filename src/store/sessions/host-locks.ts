import { type QueryCreator, type SelectQueryBuilder, sql, type Transaction } from 'kysely';
import { describeHostWait } from '../../core/waiting.js';
import type { Session, Wait } from '../../core/session.js';
import type { Database } from '../database/database.js';
import type { Schema } from '../database/schema.js';
import { toStoredHost } from '../jobs/host-name.js';
import { isHeldAt } from '../jobs/phase-rows.js';
import { readOption } from '../options.js';
import type { AdmissionStore, Change } from '../store.js';
import { admitQueued, lockPlaces } from './places.js';
import { hasTurn, isBehind } from './session-conditions.js';
import { getSession } from './session-rows.js';

type Emit = (change: Change) => void;

interface Turn {
  readonly jobId: string;
  readonly turn: number;
}

/** A session that is to go first, and what both name. */
interface Predecessor {
  readonly jobId: string;
  readonly name: string;
  /** The first of the hosts that both name, by name. */
  readonly host: string;
  readonly hosts: number;
  readonly heldUntil: string | undefined;
}

/**
 * Sessions ask for their hosts in one order. One may go when none that was there before it names a host of its own, and none
 * that has gone already. So whoever has hosts waits for nobody, nobody is overtaken by who wants the same, and no two can wait
 * for each other. Nothing has to be given back: a session that is complete has no hosts.
 */
export function requestHosts(
  database: Database,
  jobId: string,
  { hosts, at, since }: Parameters<AdmissionStore['requestHosts']>[1],
): Promise<Session> {
  return database.write(async (db, emit) => {
    await lockPlaces(database, db);
    const asking = await takeTurn(db, jobId);
    if (asking !== undefined) {
      // Who has gone keeps what it has: a late attempt may ask for less than the inventory has that is staged.
      if (asking.isBehind) await dropHosts(database, db, jobId, hosts);
      const hasMore = await saveHosts(database, db, jobId, hosts);
      // Nor does it wait for somebody with an earlier turn who has come to want the same since.
      if (hasMore || asking.isBehind) await settle(db, asking, { since, at });
      // A session that waits for this one may be the first now, and nobody may wait for who waits for him.
      await settleBehind(db, jobId, at, emit);
      await admitQueued(database, db, at, emit);
      emit({ kind: 'session', jobId });
    }
    return getSession(db, jobId);
  });
}

/** Lets those go, or wait for somebody else, that have waited for this session. */
export async function passHostsOn(
  database: Database,
  db: Transaction<Schema>,
  { jobId, at, emit }: { readonly jobId: string; readonly at: string; readonly emit: Emit },
): Promise<void> {
  // Before the look: who has found these hosts taken waits from its commit on.
  await lockPlaces(database, db);
  await db.deleteFrom('session_hosts').where('job_id', '=', jobId).execute();
  await settleBehind(db, jobId, at, emit);
}

/** For those that nobody has let go: the option was turned off, or a version without it has ended a session. */
export async function settleHosts(
  database: Database,
  db: Transaction<Schema>,
  at: string,
  emit: Emit,
): Promise<void> {
  const behind = db.selectFrom('sessions').select('job_id').where(isBehind);
  if ((await behind.limit(1).executeTakeFirst()) === undefined) return;
  await lockPlaces(database, db);
  if (!(await readOption(db, 'hostLocks')))
    await db.deleteFrom('session_hosts').where('job_id', 'in', behind).execute();
  const behindNobody = behind.where((eb) =>
    eb.or([
      eb('waits_for', 'not in', eb.selectFrom('sessions').select('job_id').where(hasTurn)),
      eb('job_id', 'not in', eb.selectFrom('session_hosts').select('job_id')),
    ]),
  );
  await settleAll(db, behindNobody, at, emit);
}

/** Undefined: the session is complete or has been launched. An attempt that was given up may ask late. */
async function takeTurn(
  db: Transaction<Schema>,
  jobId: string,
): Promise<(Turn & { readonly isBehind: boolean }) | undefined> {
  const last = await db
    .selectFrom('sessions')
    .select((eb) => eb.fn.max('host_turn').as('turn'))
    .where(hasTurn)
    .executeTakeFirst();
  const row = await db
    .updateTable('sessions')
    .set((eb) => ({ host_turn: eb.fn.coalesce('host_turn', eb.val((last?.turn ?? 0) + 1)) }))
    .where('job_id', '=', jobId)
    .where('state', '<>', 'complete')
    .where('launched_at', 'is', null)
    .returning(['host_turn', 'waits_for'])
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return { jobId, turn: row.host_turn ?? 0, isBehind: row.waits_for !== null };
}

/** All but these. */
async function dropHosts(
  { dialect }: Database,
  db: Transaction<Schema>,
  jobId: string,
  hosts: readonly string[],
): Promise<void> {
  await db
    .deleteFrom('session_hosts')
    .where('job_id', '=', jobId)
    .where('host', 'not in', dialect.textsOf(JSON.stringify(hosts.map(toText))))
    .execute();
}

/** Whether there are more of them than before. */
async function saveHosts(
  { dialect }: Database,
  db: Transaction<Schema>,
  jobId: string,
  hosts: readonly string[],
): Promise<boolean> {
  const texts = [...new Set(hosts.map(toText))];
  const rows = JSON.stringify(texts.map((host) => ({ host })));
  const given = dialect.rowsOf(rows, { host: 'text' });
  const { numAffectedRows = 0n } =
    await sql`insert into session_hosts (job_id, host) select ${jobId}, host from ${given} where true
      on conflict do nothing`.execute(db);
  return numAffectedRows > 0n;
}

/** What a database takes as text; another inventory may hold anything. */
function toText(host: string): string {
  return toStoredHost(host.toWellFormed().replaceAll('\0', '\uFFFD'));
}

/** Looks again at those that wait for this session: some may go, and the others say what they wait for. */
export async function settleBehind(
  db: Transaction<Schema>,
  jobId: string,
  at: string,
  emit: Emit,
): Promise<void> {
  const behind = db.selectFrom('sessions').select('job_id').where(isBehind);
  await settleAll(db, behind.where('waits_for', '=', jobId), at, emit);
}

async function settleAll(
  db: Transaction<Schema>,
  jobIds: SelectQueryBuilder<Schema, 'sessions', { job_id: string }>,
  at: string,
  emit: Emit,
): Promise<void> {
  const query = db.selectFrom('sessions').select(['job_id', 'host_turn', 'waiting']);
  const rows = await query.where('job_id', 'in', jobIds).orderBy('host_turn').execute();
  for (const { job_id: jobId, host_turn: turn, waiting } of rows) {
    await settle(db, { jobId, turn: turn ?? 0 }, { since: toSince(waiting) ?? at, at });
    emit({ kind: 'session', jobId });
  }
}

/** Lets the session go, or wait. It gives its place to others while it waits, and is the first to get one again. */
async function settle(
  db: Transaction<Schema>,
  { jobId, turn }: Turn,
  { since, at }: { readonly since: string; readonly at: string },
): Promise<void> {
  const first = await findPredecessor(db, { jobId, turn }, at);
  await db
    .updateTable('sessions')
    .set((eb) =>
      first === undefined
        ? { waits_for: null, waiting: null }
        : {
            waits_for: first.jobId,
            waiting: JSON.stringify({ since, message: describeHostWait(first) }),
            admitted_at: null,
            admission_due: 0,
            queued_at: eb.fn.coalesce('queued_at', 'claimed_at'),
          },
    )
    .where('job_id', '=', jobId)
    .execute();
}

/** Of those that are to go first the one that came last: while it is there, nothing else can let this session go. */
async function findPredecessor(
  db: Transaction<Schema>,
  { jobId, turn }: Turn,
  at: string,
): Promise<Predecessor | undefined> {
  const first = await db
    // By itself, because a database that knows little of a table that changes all the time would look for it in each session.
    .with(
      (cte) => cte('others').materialized(),
      (cte) => selectShared(cte, jobId).select('theirs.job_id').distinct(),
    )
    .selectFrom('others')
    .innerJoin('sessions', 'sessions.job_id', 'others.job_id')
    .select(['sessions.job_id', 'name'])
    .where(hasTurn)
    .where((eb) => eb.or([eb('waits_for', 'is', null), eb('host_turn', '<', turn)]))
    .orderBy('host_turn', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (first === undefined) return undefined;
  const shared = await selectShared(db, jobId)
    .where('theirs.job_id', '=', first.job_id)
    .select((eb) => [eb.fn.min('mine.host').as('host'), eb.fn.countAll().as('hosts')])
    .executeTakeFirstOrThrow();
  const held = await db
    .selectFrom('phases')
    .select('hold_until')
    .where('job_id', '=', first.job_id)
    .where(isHeldAt(at))
    .executeTakeFirst();
  return {
    jobId: first.job_id,
    name: first.name,
    host: shared.host,
    hosts: Number(shared.hosts),
    heldUntil: held?.hold_until ?? undefined,
  };
}

/** The hosts of a session, each with every other session that names it. */
function selectShared(db: QueryCreator<Schema>, jobId: string) {
  return db
    .selectFrom('session_hosts as mine')
    .innerJoin('session_hosts as theirs', 'theirs.host', 'mine.host')
    .where('mine.job_id', '=', jobId)
    .where('theirs.job_id', '<>', jobId);
}

function toSince(waiting: string | null): string | undefined {
  return waiting === null ? undefined : (JSON.parse(waiting) as Wait).since;
}
