import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Kysely } from 'kysely';
import { Migrator } from 'kysely/migration';
import { Client } from 'pg';
import type { StoreDialect } from '../../src/store/database/dialect.js';
import { createMigrations } from '../../src/store/migrations/migrations.js';
import { openPostgresStore } from '../../src/store/database/postgres.js';
import { createPool } from '../../src/store/database/postgres-connection.js';
import { createPostgresDialect } from '../../src/store/database/postgres-dialect.js';
import type { MigrationWait } from '../../src/store/database/postgres-migrating.js';
import { createSqliteDialect, openConnections } from '../../src/store/database/sqlite-dialect.js';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import { storeUpgradeContract } from '../contract/store-upgrade.js';
import { tagUpgradeContract, type TagUpgradeFixture } from '../contract/tag-upgrade.js';
import { describeWithPostgres, startPostgres, type PostgresServer } from '../support/postgres.js';
import { aNewSession, at } from '../support/store-builders.js';
import { waitFor } from '../support/wait.js';

/** In another process, because in this one it would block the transaction that it waits for. */
async function executeApart(path: string, sql: string): Promise<void> {
  const script = `
    const { DatabaseSync } = await import('node:sqlite');
    const database = new DatabaseSync(process.argv[1], { timeout: 20_000 });
    database.exec(process.argv[2]);`;
  const args = ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', script];
  await promisify(execFile)(process.execPath, [...args, path, sql]);
}

async function createSqliteFixture(): Promise<TagUpgradeFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-upgrade-'));
  const path = join(directory, 'keelson.db');
  return {
    open: () => openSqliteStore({ path }),
    execute: (statements) =>
      executeApart(path, ['begin immediate', ...statements, 'commit'].join(';')),
    migrateTo: async (migration) => {
      const connections = await openConnections(path);
      connections.reader.close();
      await migrateTo(createSqliteDialect(connections), migration);
    },
    toInsert: (name) => [
      `insert into sessions (job_id, name, created_at, request) values (${toValues(name)})`,
      `insert into session_tags (job_id, key, value) values ('cfs-${name}', 'owner', 'ann')`,
    ],
    countRows: (query) => {
      const database = new DatabaseSync(path, { readOnly: true });
      const { length } = database.prepare(query).all();
      database.close();
      return Promise.resolve(length);
    },
    remove: () => rm(directory, { recursive: true }),
  };
}

const toValues = (name: string) =>
  `'cfs-${name}', '${name}', '${at(1)}', '{"tags":{"owner":"ann"}}'`;

async function migrateTo(dialect: StoreDialect, migration: string): Promise<void> {
  const db = new Kysely<unknown>({ dialect: dialect.writer });
  const getMigrations = () => Promise.resolve(createMigrations(dialect));
  const { error } = await new Migrator({ db, provider: { getMigrations } }).migrateTo(migration);
  await db.destroy();
  expect(error).toBeUndefined();
}

storeUpgradeContract('SQLite', createSqliteFixture);
tagUpgradeContract('SQLite', createSqliteFixture);

describeWithPostgres('PostgreSQL', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.close());

  const create = async (): Promise<TagUpgradeFixture & { readonly url: string }> => {
    const url = await server.createDatabase();
    return {
      url,
      open: () => openPostgresStore({ url }),
      execute: async (statements) => {
        await server.query(['begin', ...statements, 'commit'].join(';'), url);
      },
      migrateTo: (migration) => {
        const pool = createPool({ url });
        const watch = () => () => undefined;
        const notices = {
          announce: () => undefined,
          watch,
          serverProcess: () => undefined,
          close: () => Promise.resolve(),
        };
        return migrateTo(createPostgresDialect({ pool, migrationPool: pool, notices }), migration);
      },
      // In one statement, so that neither part sees what the other writes.
      toInsert: (name) => [
        `with inserted as (
          insert into sessions (job_id, name, created_at, request) values (${toValues(name)}) returning *
        ), tagged as (
          insert into session_tags (job_id, key, value)
          select job_id, key, value from (values ('cfs-${name}', 'owner', 'ann')) as tag (job_id, key, value)
          where job_id in (select job_id from inserted)
        ) select * from inserted`,
      ],
      countRows: async (query) => (await server.query(query, url)).length,
      remove: () => Promise.resolve(),
    };
  };
  test('opens, and lists by a part of the name, if the role may not create an extension', async () => {
    const url = await server.createDatabase();
    await server.query(
      `alter database ${new URL(url).pathname.slice(1)} owner to postgres; grant create on schema public to keelson`,
      url,
    );
    const store = await openPostgresStore({ url });
    await store.sessions.insert(aNewSession('compute-1'));
    const { items } = await store.sessions.list({ nameContains: 'pute' }, { limit: 10 });
    await store.close();

    expect(items).toHaveLength(1);
    expect(await server.query('select extname from pg_extension', url)).toEqual([
      { extname: 'plpgsql' },
    ]);
  });
  test('keeps nobody waiting while it waits for a dump, and says so', async () => {
    const fixture = await create();
    await fixture.migrateTo('022-name-parts');
    const url = fixture.url;
    const dump = await openDump(url);
    const waits: MigrationWait[] = [];
    const opening = openWaiting(url, waits);
    await waitFor(() => waits.some(({ waitsFor }) => waitsFor.includes(`dump (${dump.pid})`)));
    const waitsOfSecond: MigrationWait[] = [];
    const second = openWaiting(`${url}?application_name=second`, waitsOfSecond);
    await waitFor(() => waitsOfSecond.some(({ waitsFor }) => waitsFor.length > 0));
    const stopping = new AbortController();
    const onWait = () => stopping.abort();
    const third = openPostgresStore({
      ...{ url, migration: { lockMs: 500, onWait, signal: stopping.signal } },
    });
    await expect(third).rejects.toMatchObject({ name: 'AbortError' });
    // If a migration stood in its way, this query would have to wait for the dump too.
    await server.query('select count(*) from log_chunks', url);
    await dump.end();
    const [store, other] = await Promise.all([opening, second]);
    await store.sessions.insert(aNewSession('after'));
    await Promise.all([store.close(), other.close()]);

    expect(waits.at(-1)?.seconds).toBeGreaterThan(0);
    // While the first process pauses, the second one does not take its place.
    const reasons = waitsOfSecond.flatMap(({ waitsFor }) => waitsFor);
    expect(reasons.filter((reason) => !reason.startsWith('keelson-migration ('))).toEqual([]);
  });

  const openWaiting = (url: string, waits: MigrationWait[]) =>
    openPostgresStore({
      ...{ url, migration: { lockMs: 500, onWait: (wait) => void waits.push(wait) } },
    });

  /** A transaction that has read a table, as `pg_dump` does. */
  async function openDump(url: string) {
    const client = new Client({ connectionString: url, application_name: 'dump' });
    await client.connect();
    await client.query('begin');
    await client.query('select count(*) from log_chunks');
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    return { pid: rows[0]?.pid, end: () => client.end() };
  }

  storeUpgradeContract('PostgreSQL', create);
  tagUpgradeContract('PostgreSQL', create);
});

describe('createMigrations', () => {
  test('only adds, so that the version before can keep running', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'keelson-upgrade-'));
    const dialect = createSqliteDialect(await openConnections(join(directory, 'keelson.db')));
    const statements: string[] = [];
    const db = new Kysely<unknown>({
      dialect: dialect.writer,
      log: ({ query }) => void statements.push(query.sql),
    });
    for (const migration of Object.values(createMigrations(dialect))) await migration.up(db);
    await db.destroy();
    await rm(directory, { recursive: true });
    expect(statements.length).toBeGreaterThan(30);
    const taking = /\b(drop (table|column|not null)|rename|alter column|delete from|truncate)\b/;
    expect(statements.filter((sql) => taking.test(sql))).toEqual([]);
  });
});
