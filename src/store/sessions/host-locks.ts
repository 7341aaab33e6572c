import { type QueryCreator, type SelectQueryBuilder, sql } from 'kysely';
import { describeHostWait } from '../../core/waiting.js';
import type { Session, Wait } from '../../core/session.js';
import type { Connection, Database, WriteContext } from '../database/database.js';
import type { Schema } from '../database/schema.js';
import { toStoredHost } from '../jobs/host-name.js';
import { isHeldAt } from '../jobs/phase-rows.js';
import { readOption } from '../options.js';
import type { AdmissionStore } from '../store.js';
import { admitQueued, lockPlaces } from './places.js';
import { hasTurn, isBehind } from './session-conditions.js';
import { getSession } from './session-rows.js';

/** A session that has asked for hosts. Those with earlier turns have asked before. */
interface Asking {
  readonly jobId: string;
  readonly turn: number;
}

/** A session that goes first, and the hosts that both name. */
interface Predecessor {
  readonly jobId: string;
  readonly name: string;
  /** The first, in order of names, of the hosts that both name. */
  readonly host: string;
  readonly hosts: number;
  readonly heldUntil: string | undefined;
}

/**
 * A session gets a turn when it first asks for hosts. It may go if no session that already went, and none with an earlier
 * turn, names one of its hosts. So a session that has its hosts waits for nobody, no session is overtaken by another that
 * wants the same host, and no two wait for each other. Nothing has to be released, because a complete session has no hosts.
 */
export function requestHosts(
  { dialect, write }: Database,
  jobId: string,
  { hosts, at, since }: Parameters<AdmissionStore['requestHosts']>[1],
): Promise<Session> {
  return write(async (db, emit) => {
    const context = { dialect, db, emit, at };
    await lockPlaces(context);
    const asking = await takeTurn(db, jobId);
    if (asking !== undefined) {
      // A session that went keeps all its hosts, because a late attempt may ask for fewer than the staged inventory has.
      if (asking.isBehind) await dropHosts(context, jobId, hosts);
      const hasMore = await saveHosts(context, jobId, hosts);
      // Unless it asks for more, it does not wait for a session with an earlier turn that has asked for its hosts since.
      if (hasMore || asking.isBehind) await goOrWait(context, asking, since);
      // A session that waits for this one may go first now. Left as it is, the two could wait for each other.
      await recheckBehind(context, jobId);
      await admitQueued(context);
      emit({ kind: 'session', jobId });
    }
    return getSession(db, jobId);
  });
}

/** Lets the sessions that waited for this one go, or wait for another. */
export async function passHostsOn(context: WriteContext, jobId: string): Promise<void> {
  // Locked before the waiting sessions are read, because one that found these hosts taken waits only from its commit on.
  await lockPlaces(context);
  await context.db.deleteFrom('session_hosts').where('job_id', '=', jobId).execute();
  await recheckBehind(context, jobId);
}

/** Lets sessions go that nothing blocks any more: the option was turned off, or a version without it ended a session. */
export async function letUnblockedGo(context: WriteContext): Promise<void> {
  const { db } = context;
  const behind = db.selectFrom('sessions').select('job_id').where(isBehind);
  if ((await behind.limit(1).executeTakeFirst()) === undefined) return;
  await lockPlaces(context);
  if (!(await readOption(db, 'hostLocks')))
    await db.deleteFrom('session_hosts').where('job_id', 'in', behind).execute();
  const behindNobody = behind.where((eb) =>
    eb.or([
      eb('waits_for', 'not in', eb.selectFrom('sessions').select('job_id').where(hasTurn)),
      eb('job_id', 'not in', eb.selectFrom('session_hosts').select('job_id')),
    ]),
  );
  await recheck(context, behindNobody);
}

/** Undefined if the session is complete or launched: an attempt that was given up may ask late. */
async function takeTurn(
  db: Connection,
  jobId: string,
): Promise<(Asking & { readonly isBehind: boolean }) | undefined> {
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

/** Removes all hosts but these. */
async function dropHosts(
  { dialect, db }: WriteContext,
  jobId: string,
  hosts: readonly string[],
): Promise<void> {
  await db
    .deleteFrom('session_hosts')
    .where('job_id', '=', jobId)
    .where('host', 'not in', dialect.textsOf(JSON.stringify(hosts.map(toText))))
    .execute();
}

/** Adds these hosts. Returns whether any of them is new. */
async function saveHosts(
  { dialect, db }: WriteContext,
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

/** The name as a database can store it; an additional inventory may hold any text. */
function toText(host: string): string {
  return toStoredHost(host.toWellFormed().replaceAll('\0', '\uFFFD'));
}

/** Looks again at the sessions that wait for this one. Each of them goes, or its record says what it waits for now. */
export async function recheckBehind(context: WriteContext, jobId: string): Promise<void> {
  const behind = context.db.selectFrom('sessions').select('job_id').where(isBehind);
  await recheck(context, behind.where('waits_for', '=', jobId));
}

/** In order of their turns, because one that goes may block a later one. */
async function recheck(
  context: WriteContext,
  jobIds: SelectQueryBuilder<Schema, 'sessions', { job_id: string }>,
): Promise<void> {
  const { db, emit, at } = context;
  const query = db.selectFrom('sessions').select(['job_id', 'host_turn', 'waiting']);
  const rows = await query.where('job_id', 'in', jobIds).orderBy('host_turn').execute();
  for (const { job_id: jobId, host_turn: turn, waiting } of rows) {
    await goOrWait(context, { jobId, turn: turn ?? 0 }, toSince(waiting) ?? at);
    emit({ kind: 'session', jobId });
  }
}

/** Lets the session go, or makes it wait: then it gives up its place, but queues ahead of sessions that arrived later. */
async function goOrWait(context: WriteContext, asking: Asking, since: string): Promise<void> {
  const { db } = context;
  const first = await findPredecessor(context, asking);
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
    .where('job_id', '=', asking.jobId)
    .execute();
}

/** Of the sessions that go first, the one with the latest turn: until it ends, no other one's end can let this session go. */
async function findPredecessor(
  { db, at }: WriteContext,
  { jobId, turn }: Asking,
): Promise<Predecessor | undefined> {
  const first = await db
    // Materialized: the statistics of a table that changes all the time are poor, so it would run for each session.
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

/** Each host of the session with each other session that names it. */
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
