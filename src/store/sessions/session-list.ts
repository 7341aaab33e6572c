import { sql } from 'kysely';
import type { Connection, Database } from '../database/database.js';
import type { StoreDialect } from '../database/dialect.js';
import type { Page, PageRequest } from '../database/page.js';
import type { SessionRow } from '../database/schema.js';
import { findLeadingTag, matchColumns, planFilter } from './session-filter.js';
import { toSession } from './session-rows.js';
import type { SessionFilter } from '../store.js';
import type { Session } from '../../core/session.js';
import { haveTags, isTagText, type Tag } from './tag-filter.js';

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
  'sessions.request',
  'sessions.external',
  'sessions.waiting',
  'sessions.known_end',
  'sessions.patched',
  'sessions.stored_log_bytes',
  sql<null>`null`.as('snapshot'),
  sql<null>`null`.as('done'),
] as const;

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
): Promise<Page<Session>> {
  return read(async (db) => {
    // One more than asked for tells whether there is a next page.
    const parts = { db, dialect, filter, page: { limit: limit + 1, ...from } };
    const tag = await findLeadingTag(db, filter);
    const rows = await (tag === undefined ? selectByName(parts) : selectByTag(parts, tag));
    return { items: rows.slice(0, limit).map(toSession), hasMore: rows.length > limit };
  });
}

async function selectByName({ db, dialect, filter, page }: Parts): Promise<SessionRow[]> {
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
function selectByTag({ db, dialect, filter, page }: Parts, tag: Tag): Promise<SessionRow[]> {
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
