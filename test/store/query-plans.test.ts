import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Kysely, type LogEvent } from 'kysely';
import type { Database } from '../../src/store/database/database.js';
import { createComponentStore } from '../../src/store/components/components.js';
import { createDesiredReader } from '../../src/store/components/desired-layers.js';
import { createHostStore } from '../../src/store/jobs/hosts.js';
import { createLogStore } from '../../src/store/jobs/logs.js';
import { createPhaseStore } from '../../src/store/jobs/phases.js';
import { createResourceStore } from '../../src/store/sessions/resources.js';
import { createRetentionStore } from '../../src/store/sessions/retention.js';
import type { Schema } from '../../src/store/database/schema.js';
import { createSessionStore } from '../../src/store/sessions/sessions.js';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import { createSqliteDialect, openConnections } from '../../src/store/database/sqlite-dialect.js';
import type { ComponentFilter, SessionFilter } from '../../src/store/store.js';
import { aNewSession, at } from '../support/store-builders.js';

/** More than are looked up by key, so that a filter that matches many is served by a walk in order of names. */
const SESSIONS = 6_000;
const RARE = 5_990;

let directory: string;
let connection: DatabaseSync;
let queries: { readonly sql: string; readonly parameters: readonly unknown[] }[] = [];
let database: Database;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keelson-plans-'));
  const path = join(directory, 'keelson.db');
  await (await openSqliteStore({ path })).close();
  const connections = await openConnections(path);
  connection = connections.writer;
  connections.reader.close();
  const dialect = createSqliteDialect({ writer: connection, reader: connection });
  const log = ({ query: { sql, parameters } }: LogEvent) => {
    queries.push({ sql, parameters });
  };
  const kysely = new Kysely<Schema>({ dialect: dialect.writer, log });
  database = {
    dialect,
    read: (query) => query(kysely),
    readTogether: (query) => dialect.readTogether(kysely, query),
    write: (change) => kysely.transaction().execute((db) => change(db, () => undefined)),
    writeAtOnce: (change) => change(kysely, () => undefined),
    close: () => kysely.destroy(),
  };
  fill();
});
beforeEach(() => {
  queries = [];
});
afterAll(async () => {
  await database.close();
  await rm(directory, { recursive: true });
});

describe('sessions.list', () => {
  test.each([
    ['nothing', {}, 'sessions_by_name'],
    ['a part of many names', { nameContains: 's' }, 'sessions_by_name'],
    ['a part of few names', { nameContains: 's0599' }, String.raw`sessions_by_name \(name`],
    [
      'a part of few names and a state',
      { nameContains: 's0599', state: 'pending' },
      String.raw`sessions_by_state \(state=\? AND name`,
    ],
    ['the state', { state: 'pending' }, 'sessions_by_state'],
    ['the result', { succeeded: 'false' }, 'sessions_by_succeeded'],
    ['a common time', { createdFrom: at(10) }, 'sessions_by_name'],
    ['a rare time', { createdFrom: at(RARE) }, 'sessions_by_creation'],
    ['a common tag', { tags: { all: '1' } }, 'session_tags_by_name'],
    ['a rare tag', { tags: { number: '7' } }, 'session_tags_by_name'],
    ['two tags', { tags: { all: '1', number: '7' } }, 'session_tags_by_name'],
    ['a common tag and a state', { tags: { all: '1' }, state: 'pending' }, 'session_tags_by_state'],
    [
      'a common tag and a common time',
      { tags: { all: '1' }, createdFrom: at(10) },
      'session_tags_by_name',
    ],
    [
      'a common tag and a result',
      { tags: { all: '1' }, succeeded: 'none' },
      'session_tags_by_name',
    ],
    [
      'a common tag and a result that few have',
      { tags: { all: '1' }, succeeded: 'false' },
      'sessions_by_succeeded',
    ],
    [
      'a common state and a result that few have',
      { state: 'pending', succeeded: 'false' },
      'sessions_by_succeeded',
    ],
    [
      'a rare time and a state',
      { createdFrom: at(RARE), state: 'pending' },
      'sessions_by_creation',
    ],
    ['a common time and a state', { createdFrom: at(10), state: 'pending' }, 'sessions_by_state'],
    [
      'a common tag and a rare time',
      { createdFrom: at(RARE), tags: { all: '1' } },
      'sessions_by_creation',
    ],
  ] satisfies [string, SessionFilter, string][])(
    'by %s goes by an index',
    async (_, filter, index) => {
      const sessions = createSessionStore(database);
      await sessions.list(filter, { limit: 10 });
      await sessions.list(filter, { limit: 10, afterId: 's00100' });

      for (const plan of explainAll().filter((lines) =>
        lines.some((line) => /sessions/.test(line)),
      )) {
        expect(plan.filter((line) => /^SCAN (sessions|session_tags)$/.test(line))).toEqual([]);
      }
      expect(explainLists()).toHaveLength(2);
      for (const plan of explainLists()) {
        expect(plan.join('\n')).toMatch(new RegExp(`INDEX ${index}\\b`));
        if (index !== 'sessions_by_creation') expect(plan.join('\n')).not.toContain('TEMP B-TREE');
      }
    },
  );

  test('runs as many queries for a thousand sessions as for one', async () => {
    const sessions = createSessionStore(database);
    await sessions.list({}, { limit: 1_000 });

    expect(queries).toHaveLength(1);
  });
});

describe('components.list', () => {
  test.each<[string, ComponentFilter, string]>([
    ['nothing', {}, 'sqlite_autoindex_components_1'],
    ['tags', { tags: { rack: '1' } }, 'COVERING INDEX components_by_tags'],
    ['a status', { status: 'pending' }, 'components_by_progress'],
    ['a configuration', { configName: 'compute' }, 'components_by_config'],
  ])('by %s reads the state only of what it shows', async (_what, filter, index) => {
    const components = createComponentStore({
      ...database,
      reader: createDesiredReader(database.dialect),
    });
    await components.list(filter, { limit: 1_000, afterId: 'a' });
    const [plan] = explainAll().filter((lines) => lines.some((line) => /components/.test(line)));

    expect(plan?.join('\n')).toContain(index);
    expect(plan?.filter((line) => line === 'SCAN components')).toEqual([]);
  });
});

describe('every other query', () => {
  test('finds its rows by an index', async () => {
    const sessions = createSessionStore(database);
    const [phases, logs, hosts] = [
      createPhaseStore(database),
      createLogStore(database),
      createHostStore({ ...database, reader: createDesiredReader(database.dialect) }),
    ];
    const resources = createResourceStore(database);
    const { jobId } = await sessions.insert(aNewSession('a'));
    await sessions.takeWishes({ now: at(0), leaseUntil: at(30), limit: 10 });
    await sessions.nextWishAt();
    await sessions.countWishes();
    await sessions.recordDispatched(jobId, 'started');
    await sessions.claim(jobId, { at: at(1) });
    await sessions.recordLaunch(jobId, { at: at(2), incarnation: 'x' });
    await phases.savePlan(jobId, [{ name: 'ansible-0', kind: 'ansible', title: 'x' }]);
    await phases.report(jobId, 'ansible-0', { state: 'running', startedAt: at(3) });
    await logs.append(jobId, 'ansible-0', 0, Buffer.from('x'));
    await logs.tail(jobId, 'ansible-0', 10);
    await logs.recordGap(jobId, 'ansible-0', 'gap');
    await hosts.save(jobId, 'ansible-0', { sequence: 1, final: true, hosts: [] });
    await hosts.list(jobId, { limit: 10, afterId: 'ansible-0/x', phase: 'ansible-0' });
    await hosts.summarize(jobId, 'ansible-0');
    await resources.note(jobId, 'job', 'x');
    await resources.list(jobId);
    await phases.list(jobId);
    const silence = { task: 'x', since: at(4), hosts: 1, names: ['x1'], others: 0 };
    await phases.tellSilence(jobId, 'ansible-0', { sequence: 1, silence });
    await phases.silences([jobId]);
    await phases.countSilentHosts();
    await phases.seal(jobId, 'ansible-0', { kind: 'killed', reason: 'stopped' }, at(4));
    await sessions.requestCancel('a', { at: at(5) });
    await sessions.recordOutcome(jobId, { succeeded: 'false' }, at(6));
    await sessions.find('a');
    await sessions.requestDelete('a', { at: at(7) });
    await sessions.countOpen();
    await sessions.countComplete();
    const retention = createRetentionStore(database);
    await retention.logStoreBytes();
    await retention.removeOldestLog('too large');
    await retention.removeOldestLog('too large');
    await retention.removeDeleted(at(9));

    const scans = explainAll()
      .flat()
      .filter((line) => line.startsWith('SCAN') && !line.includes('USING'));

    expect(scans.filter((line) => line !== 'SCAN candidates')).toEqual([]);
    const counting = queries.filter(({ sql }) => /silence.* is not null/.test(sql)).at(-1);
    expect(counting && explain(counting).join()).toContain('INDEX phases_silence');
    expect(queries.length).toBeGreaterThan(30);
  });
});

describe('retention', () => {
  test('finds what is old without reading the rest', async () => {
    const retention = createRetentionStore(database);
    await createSessionStore(database).countComplete();
    await retention.expireSessions(at(8), at(9));
    await retention.removeDeleted(at(9));
    await retention.removeOldestLog('too large');

    const plans = queries
      .filter(({ sql }) =>
        /"sessions" where ("completed|"deleted|"stored|deleted_at is null)/.test(sql),
      )
      .map((query) => explain(query).join('\n'));
    expect(plans).toHaveLength(5);
    expect(plans.join('\n')).not.toContain('ORDER BY');
    const indexes = plans.map((plan) => /INDEX (sessions_by_\w+)/.exec(plan)?.[1]);
    expect(indexes).toEqual([
      'sessions_by_completion',
      'sessions_by_completion',
      'sessions_by_completion',
      'sessions_by_deletion',
      'sessions_by_log',
    ]);
  });
});

function fill(): void {
  connection.exec(`
    with recursive n(i) as (select 0 union all select i + 1 from n where i < ${SESSIONS - 1})
    insert into sessions (job_id, name, created_at, request, dispatched)
    select 'cfs-' || i, 's' || substr('00000' || i, -5),
      strftime('%Y-%m-%dT%H:%M:%S.000Z', '2026-01-01', '+' || i || ' seconds'), '{"tags":{}}', 'started' from n;
    insert into session_tags (job_id, key, value) select job_id, 'all', '1' from sessions;
    insert into session_tags (job_id, key, value) select job_id, 'number', cast(substr(job_id, 5) as text) from sessions;`);
}

/** The plans of the queries that return sessions, not of those that only count candidates. */
function explainLists(): readonly (readonly string[])[] {
  return queries.filter(({ sql }) => /^select "sessions"\."job_id", /.test(sql)).map(explain);
}

function explainAll(): readonly (readonly string[])[] {
  return queries.filter(({ sql }) => /^(select|update|delete)/.test(sql)).map(explain);
}

function explain({ sql, parameters }: (typeof queries)[number]): readonly string[] {
  const rows = connection
    .prepare(`explain query plan ${sql}`)
    .all(...(parameters as SQLInputValue[]));
  return rows.map(({ detail }) => String(detail));
}
