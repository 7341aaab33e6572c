import { sql } from 'kysely';
import { omitUndefined } from '../../core/omit-undefined.js';
import type { Connection, Database } from '../database/database.js';
import type { StoreDialect } from '../database/dialect.js';
import type { Page, PageRequest } from '../database/page.js';
import type { SessionRow } from '../database/schema.js';
import { findLeadingTag, matchColumns, planFilter } from './session-filter.js';
import { addRequest, toSession, toSessionWithoutRequest } from './session-rows.js';
import type { LargeSession, ListedSession, SessionFilter } from '../store.js';
import type { Session } from '../../core/session.js';
import { haveTags, isTagText, type Tag } from './tag-filter.js';

/** What is larger is read after the list: all the rest of a page is in memory at once, and a request may have megabytes. */
const LARGE_BYTES = 16_384;
/** About as many bytes of large requests are in memory at once. */
const PART_BYTES = 250_000;

const bytes = sql<number>`octet_length(sessions.request) + coalesce(octet_length(sessions.patched), 0)`;

/** Without `snapshot` and `done`, which may be many times as large as the rest and which no list shows. */
const LISTED = [
  'sessions.job_id',
  'sessions.name',
  'sessions.created_at',
  'sessions.desired',
  'sessions.cancel_by',
  'sessions.cancel_reason',
  'sessions.deleted_at',
  'sessions.dispatched',
  'sessions.wish_at',
  'sessions.attach_only',
  'sessions.state',
  'sessions.claimed_at',
  'sessions.queued_at',
  'sessions.admitted_at',
  'sessions.admission_due',
  'sessions.host_turn',
  'sessions.waits_for',
  'sessions.machine',
  'sessions.launched_at',
  'sessions.incarnation',
  'sessions.stopped_at',
  'sessions.teardown_at',
  'sessions.succeeded',
  'sessions.reason',
  'sessions.message',
  'sessions.outcome_phase',
  'sessions.host',
  'sessions.task',
  'sessions.completed_at',
  'sessions.phase',
  'sessions.ims_job',
  'sessions.artifacts',
  'sessions.external',
  'sessions.waiting',
  'sessions.known_end',
  'sessions.stored_log_bytes',
  sql<null>`null`.as('snapshot'),
  sql<null>`null`.as('done'),
  bytes.as('bytes'),
  unlessLarge('request'),
  unlessLarge('patched'),
] as const;

type ListedRow = Omit<SessionRow, 'request'> & {
  readonly bytes: number;
  /** Null if it is large. */
  readonly request: string | null;
};

interface Parts {
  readonly db: Connection;
  readonly dialect: StoreDialect;
  readonly filter: SessionFilter;
  readonly page: PageRequest;
}

export function listSessions(
  { dialect, read }: Database,
  filter: SessionFilter,
  { limit, ...from }: PageRequest,
): Promise<Page<ListedSession>> {
  return read(async (db) => {
    // One more than asked for tells whether there is a next page.
    const parts = { db, dialect, filter, page: { limit: limit + 1, ...from } };
    const tag = await findLeadingTag(db, filter);
    const rows = await (tag === undefined ? selectByName(parts) : selectByTag(parts, tag));
    return { items: rows.slice(0, limit).map(toListed), hasMore: rows.length > limit };
  });
}

/** Reads what `listSessions` has left out. */
export async function* readRequests(
  { read }: Database,
  sessions: readonly ListedSession[],
): AsyncGenerator<readonly Session[]> {
  for (const some of inPartsOfBytes(sessions)) {
    const jobIds = some.filter(isLarge).map(({ jobId }) => jobId);
    const query = (db: Connection) =>
      db
        .selectFrom('sessions')
        .select(['job_id', 'request', 'patched'])
        .where('job_id', 'in', jobIds)
        .execute();
    const rows = jobIds.length === 0 ? [] : await read(query);
    const found = new Map(rows.map((row) => [row.job_id, row]));
    yield some.flatMap((session) => {
      if (!isLarge(session)) return [session];
      const row = found.get(session.jobId);
      const rest = omitUndefined({ ...session, bytes: undefined });
      return row === undefined ? [] : [addRequest(rest, row)];
    });
  }
}

/** The sessions in order, in parts that have few bytes of large requests. */
function* inPartsOfBytes(sessions: readonly ListedSession[]): Generator<readonly ListedSession[]> {
  let part: ListedSession[] = [];
  let sum = 0;
  for (const session of sessions) {
    const own = isLarge(session) ? session.bytes : 0;
    if (part.length > 0 && sum + own > PART_BYTES) {
      yield part;
      [part, sum] = [[], 0];
    }
    part.push(session);
    sum += own;
  }
  if (part.length > 0) yield part;
}

function isLarge(session: ListedSession): session is LargeSession {
  return session.request === undefined;
}

function toListed(row: ListedRow): ListedSession {
  if (row.request !== null) return toSession(row as SessionRow);
  return { ...toSessionWithoutRequest(row), bytes: row.bytes };
}

/** As null in its place. */
function unlessLarge<Name extends 'request' | 'patched'>(name: Name) {
  const column = sql.ref(`sessions.${name}`);
  return sql<string | null>`case when ${bytes} <= ${sql.lit(LARGE_BYTES)} then ${column} end`.as(
    name,
  );
}

async function selectByName({ db, dialect, filter, page }: Parts): Promise<ListedRow[]> {
  const matches = await planFilter(db, dialect, filter, page.afterId);
  // Names are filtered within an index, so that whole rows are read only for those that match.
  const names = db.selectFrom('sessions').select('name').where(matches).orderBy('name');
  return db
    .selectFrom('sessions')
    .select(LISTED)
    .$if(filter.nameContains === undefined, (query) => query.where(matches))
    .$if(filter.nameContains !== undefined, (query) =>
      query.where('deleted_at', 'is', null).where('name', 'in', names.limit(page.limit)),
    )
    .orderBy('name')
    .limit(page.limit)
    .execute();
}

/** Walks along the tag's index, in order of names. It has the columns that filters compare, so only matching rows are read. */
function selectByTag({ db, dialect, filter, page }: Parts, tag: Tag): Promise<ListedRow[]> {
  const { nameContains, tags = {} } = filter;
  const others = Object.entries(tags).filter(([key]) => key !== tag[0]);
  return db
    .selectFrom('session_tags as lead')
    .innerJoin('sessions', 'sessions.job_id', 'lead.job_id')
    .select(LISTED)
    .where((eb) =>
      eb.and([
        eb('sessions.deleted_at', 'is', null),
        isTagText('key', tag[0], 'lead'),
        isTagText('value', tag[1], 'lead'),
        ...matchColumns(filter, page.afterId, (name) => eb.ref(`lead.${name}`)),
        ...(nameContains === undefined
          ? []
          : [dialect.contains(eb.ref('lead.name'), nameContains)]),
        ...haveTags(db, eb.ref('lead.job_id'), others),
      ]),
    )
    .orderBy('lead.name')
    .limit(page.limit)
    .execute();
}
