import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Kysely, type LogEvent } from 'kysely';
import type { Pool } from 'pg';
import { createAdmissionStore } from '../../src/store/sessions/admission.js';
import { createBatchStore } from '../../src/store/batches/batches.js';
import { createComponentStore } from '../../src/store/components/components.js';
import type { Database } from '../../src/store/database/database.js';
import { createDesiredReader } from '../../src/store/components/desired-layers.js';
import { openPostgresStore } from '../../src/store/database/postgres.js';
import { createPool } from '../../src/store/database/postgres-connection.js';
import { createPostgresDialect } from '../../src/store/database/postgres-dialect.js';
import { createRetentionStore } from '../../src/store/sessions/retention.js';
import type { Schema } from '../../src/store/database/schema.js';
import { createSessionStore } from '../../src/store/sessions/sessions.js';
import type { ComponentFilter, SessionFilter } from '../../src/store/store.js';
import { createSweepStore } from '../../src/store/sessions/sweep.js';
import { expectOneMoment, expectOneView } from '../contract/read-together.js';
import { describeWithPostgres, startPostgres, type PostgresServer } from '../support/postgres.js';
import { at } from '../support/store-builders.js';

/** More than are looked up by key, so that a filter that matches many is served by a walk in order of names. */
const SESSIONS = 15_000;
const RARE = 14_990;
const DEEP = 's12000';

/** Tables that must never be read whole. `deployment`, `options` and `log_store` have a row or a few. */
const WHOLE = /Seq Scan on (sessions|session_tags|phases|host_results|log_chunks|components)\b/;

describeWithPostgres('plans of PostgreSQL', () => {
  let server: PostgresServer;
  let url: string;
  let pool: Pool;
  let database: Database;
  let queries: { readonly sql: string; readonly parameters: readonly unknown[] }[] = [];

  beforeAll(async () => {
    // Autovacuum would update the statistics at any moment, and with them the plans.
    server = await startPostgres(['autovacuum=off']);
    url = await server.createDatabase();
    await (await openPostgresStore({ url })).close();
    await fill(server, url);
    pool = createPool({ url });
    database = open(pool, ({ query: { sql, parameters } }) => {
      queries.push({ sql, parameters });
    });
  });
  beforeEach(() => {
    queries = [];
  });
  afterAll(async () => {
    await database.close();
    await server.close();
  });

  /** The plans of the queries that have run, with the same values. */
  async function explainAll(): Promise<readonly string[]> {
    const plans: string[] = [];
    for (const { sql, parameters } of queries.filter((each) =>
      /^(select|update|delete)/.test(each.sql),
    )) {
      const { rows } = await pool.query<{ 'QUERY PLAN': string }>(`explain ${sql}`, [
        ...parameters,
      ]);
      plans.push(`${sql}\n${rows.map((row) => row['QUERY PLAN']).join('\n')}`);
    }
    return plans;
  }

  async function expectIndexes(): Promise<readonly string[]> {
    const plans = await explainAll();
    expect(plans.length).toBeGreaterThan(0);
    expect(plans.filter((plan) => WHOLE.test(plan))).toEqual([]);
    return plans;
  }

  describe('sessions.list', () => {
    test.each([
      ['nothing', {}, 'sessions_by_name'],
      ['a part of the name', { nameContains: 'zzz' }, 'sessions_by_name_parts'],
      ['two letters of it', { nameContains: 'zz' }, 'Index Only Scan using sessions_by_name'],
      ['the state', { state: 'pending' }, 'sessions_by_state'],
      ['a result that few have', { succeeded: 'false' }, 'sessions_by_succeeded'],
      [
        'a state and a result that few have',
        { state: 'pending', succeeded: 'false' },
        'sessions_by_succeeded',
      ],
      ['a common time', { createdFrom: at(10) }, 'sessions_by_name'],
      ['a rare time', { createdFrom: at(RARE) }, 'sessions_by_creation'],
      ['a time that nothing fits', { createdUntil: '2020' }, 'sessions_by_creation'],
      ['a common tag', { tags: { all: '1' } }, 'session_tags_by_name'],
      ['a rare tag', { tags: { number: '7' } }, 'session_tags_by_name'],
      ['a tag of nobody', { tags: { number: 'none' } }, 'session_tags_by_name'],
      ['two tags', { tags: { all: '1', number: '7' } }, 'session_tags_by_name'],
      [
        'a rare tag and a state',
        { tags: { number: '7' }, state: 'pending' },
        'session_tags_by_state',
      ],
      [
        'a rare time and a state',
        { createdFrom: at(RARE), state: 'pending' },
        'sessions_by_creation',
      ],
    ] satisfies [string, SessionFilter, string][])(
      'by %s goes by an index, on the first page and on a deep one',
      async (_, filter, index) => {
        const sessions = createSessionStore(database);
        await sessions.list(filter, { limit: 100 });
        await sessions.list(filter, { limit: 100, afterId: DEEP });

        const plans = await expectIndexes();
        const lists = plans.filter((plan) => /^select "sessions"\."job_id", /.test(plan));
        expect(lists).toHaveLength(2);
        for (const plan of lists) expect(plan).toContain(index);
      },
    );
  });

  test('sessions by many tags: the tags of each go by its key, even before the first ANALYZE', async () => {
    const bare = await server.createDatabase();
    await (await openPostgresStore({ url: bare })).close();
    await server.query(
      `insert into sessions (job_id, name, created_at, request)
        select 'cfs-' || i, 's' || i, '', '{}' from generate_series(1, 3000) as i;
      insert into session_tags (job_id, key, value)
        select job_id, 't' || i, '1' from sessions, generate_series(1, 12) as i`,
      bare,
    );
    const others = createPool({ url: bare });
    const plans: string[] = [];
    const tags = Object.fromEntries(
      Array.from({ length: 10 }, (_, index) => [`t${index + 1}`, '1']),
    );
    const stored = open(others, ({ query: { sql, parameters } }) => {
      queries.push({ sql, parameters });
    });
    await createSessionStore(stored).list({ tags }, { limit: 100 });
    for (const { sql, parameters } of queries.filter((each) => each.sql.includes('in (values')))
      plans.push(JSON.stringify((await others.query(`explain ${sql}`, [...parameters])).rows));
    await stored.close();

    expect(plans).toHaveLength(1);
    expect(plans[0]).toMatch(/session_tags_key[^}]*},[^}]*Index Cond: \(job_id = /);
  });

  test.each<[string, ComponentFilter, string]>([
    ['nothing', {}, 'components_pkey'],
    ['a rare tag', { tags: { number: '7' } }, 'components_by_tag'],
    ['a tag of all', { tags: { all: '1' } }, 'components_pkey'],
    ['two tags', { tags: { all: '1', number: '7' } }, 'components_by_tag'],
    ['a status', { status: 'pending' }, 'components_by_progress'],
    ['a configuration', { configName: 'compute' }, 'components_by_config'],
  ])('components by %s go by an index', async (_, filter, index) => {
    const reader = createDesiredReader(database.dialect);
    const components = createComponentStore({ ...database, reader });
    await components.list(filter, { limit: 100, afterId: 'x00001' });

    const plans = await expectIndexes();
    const lists = plans.filter((plan) => plan.includes('"state" from "components"'));
    expect(lists.length).toBeGreaterThan(0);
    for (const plan of lists) expect(plan).toContain(index);
  });

  const reader = () => createDesiredReader(database.dialect);
  const page = { limit: 100, afterId: 'x00001' };
  test.each<[string, () => Promise<unknown>]>([
    [
      'who waits for the batcher is',
      () =>
        createBatchStore({ ...database, reader: reader() }).collect({
          ...{ at: at(0), batchSize: 25, page },
        }),
    ],
    [
      'components of a status are',
      () =>
        createComponentStore({ ...database, reader: reader() }).list({ status: 'pending' }, page),
    ],
  ])('%s read page by page in index order, without sorting', async (_, act) => {
    await act();
    const client = await pool.connect();
    const plans: string[] = [];
    await client.query('begin');
    for (const { sql, parameters } of queries) {
      if (sql.startsWith('set local')) await client.query(sql);
      if (!sql.includes('"state" from "components"')) continue;
      const { rows } = await client.query(`explain ${sql}`, [...parameters]);
      plans.push(JSON.stringify(rows));
    }
    await client.query('rollback');
    client.release();

    expect(plans.length).toBeGreaterThan(0);
    for (const plan of plans) {
      expect(plan).toContain('Index Scan using components_by_progress');
      expect(plan).not.toContain('Sort');
    }
  });

  test('queries that read together see nothing that is committed between them', () =>
    expectOneView(database));

  test('a component and its configuration are read as of one moment', () =>
    expectOneMoment(database));

  test('a bulk deletion goes by an index', async () => {
    await createSessionStore(database).deleteMany({ createdFrom: at(RARE) }, { at: at(0) });

    await expectIndexes();
  });

  test('wishes, claims and places go by an index', async () => {
    const sessions = createSessionStore(database);
    const admission = createAdmissionStore(database);
    await sessions.takeWishes({ now: at(0), leaseUntil: at(30), limit: 10 });
    await sessions.nextWishAt();
    await sessions.countWishes();
    await sessions.claim('cfs-1', { at: at(1) });
    await admission.admit(at(2));
    await admission.places(['cfs-1']);
    await admission.places(Array.from({ length: 10 }, (_, index) => `cfs-${index}`));
    await sessions.recordOutcome('cfs-1', { succeeded: 'true' }, at(3));

    await expectIndexes();
  });

  test('the sweep goes by an index', async () => {
    const sweep = createSweepStore(database);
    await sweep.listUnfinished({ limit: 100 });
    await sweep.listUnfinished({ limit: 100, afterId: 'cfs-1' });
    await sweep.listLeftovers(100);

    await expectIndexes();
  });

  test('counts and retention go by an index', async () => {
    const [sessions, retention] = [createSessionStore(database), createRetentionStore(database)];
    await sessions.countComplete();
    await retention.logStoreBytes();
    await retention.expireSessions(at(8), at(9));
    await retention.removeOldestLog('too large');
    await retention.removeDeleted(at(9));

    await expectIndexes();
  });

  // This test and the next come last, because they leave many deleted sessions behind.
  test('a list by a time whose sessions are all deleted goes by an index, although statistics count them', async () => {
    const sessions = createSessionStore(database);
    await server.query(
      `insert into sessions (job_id, name, created_at, deleted_at, request)
        select 'cfs-deleted-' || i, 'deleted-' || i, '2027', '2027', '{}' from generate_series(1, ${SESSIONS}) as i`,
      url,
    );
    await server.query('analyze sessions', url);
    await sessions.list({ createdFrom: '2027' }, { limit: 100 });

    const plans = await expectIndexes();
    expect(plans.at(-1)).toContain('sessions_pkey');
    expect(plans.at(-1)).not.toContain('sessions_by_name');
  });

  test('a bulk deletion of thousands finds each by its key', async () => {
    await createSessionStore(database).deleteMany({}, { at: at(0) });

    // Not the deletion of tags: none are left, so reading the whole table is the right plan once it is vacuumed.
    const updates = (await explainAll()).filter((plan) => plan.startsWith('update'));
    expect(updates.length).toBeGreaterThan(1);
    for (const plan of updates) expect(plan).toContain('Index Scan using sessions_pkey');
  });
});

function open(pool: Pool, log: (event: LogEvent) => void): Database {
  const notices = {
    announce: () => undefined,
    watch: () => () => undefined,
    serverProcess: () => undefined,
    close: () => Promise.resolve(),
  };
  const dialect = createPostgresDialect({ pool, migrationPool: pool, notices });
  const kysely = new Kysely<Schema>({ dialect: dialect.writer, log });
  return {
    dialect,
    read: (query) => query(kysely),
    readTogether: (query) => dialect.readTogether(kysely, query),
    write: (change) => kysely.transaction().execute((db) => change(db, () => undefined)),
    writeAtOnce: (change) => change(kysely, () => undefined),
    close: () => kysely.destroy(),
  };
}

async function fill(server: PostgresServer, url: string): Promise<void> {
  const statements = [
    `insert into sessions (job_id, name, created_at, request, dispatched, state, succeeded, completed_at, stored_log_bytes)
      select 'cfs-' || i, 's' || lpad(i::text, 5, '0'), moment, json_build_object('tags', '{}'::json, 'x', repeat('x', 400)), 'started',
        case when i % 1000 = 1 then 'pending' else 'complete' end, case when i % 1000 = 1 then 'none' when i % 100 = 2 then 'false' else 'true' end,
        case when i % 1000 <> 1 then moment end, case when i % 100 = 3 then 10 else 0 end
      from (select i, to_char(timestamp '2026-01-01' + i * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS".000Z"') as moment
        from generate_series(0, ${SESSIONS - 1}) as i) as numbers`,
    `insert into session_tags (job_id, key, value) select job_id, 'all', '1' from sessions`,
    `insert into session_tags (job_id, key, value) select job_id, 'number', substr(job_id, 5) from sessions`,
    `insert into phases (job_id, name, kind, title, position) select job_id, 'ansible-0', 'ansible', 'x', 0 from sessions`,
    `insert into log_chunks (job_id, phase, end_offset, size, gzip) select job_id, 'ansible-0', 10, 10, '' from sessions`,
    `insert into components (id, desired_config, progress, progress_key, tags, state)
      select 'x' || lpad(i::text, 5, '0'), case when i % 100 = 1 then 'compute' end,
        case when i % 100 = 2 then 'open' else 'configured' end, repeat('-', 22) || 'compute',
        E'\\n"all":"1"\\n"number":"' || i || E'"\\n', '[' || repeat(' ', 900) || ']' from generate_series(0, ${SESSIONS - 1}) as i`,
    `insert into host_results select job_id, 0, 'x1', 'ansible-0', 1, 1, 0, 0, 0, 0, 0 from sessions`,
  ];
  for (const statement of statements) await server.query(statement, url);
  await server.query('vacuum analyze', url);
}
