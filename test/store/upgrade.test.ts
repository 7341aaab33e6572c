import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Kysely } from 'kysely';
import { createMigrations } from '../../src/store/migrations.js';
import { openPostgresStore } from '../../src/store/postgres.js';
import { createSqliteDialect, openConnections } from '../../src/store/sqlite-dialect.js';
import { openSqliteStore } from '../../src/store/sqlite.js';
import { storeUpgradeContract } from '../contract/store-upgrade.js';
import { describeWithPostgres, startPostgres, type PostgresServer } from '../support/postgres.js';

/** A process of its own: in this one it would wait for a transaction that waits for it. */
async function executeApart(path: string, sql: string): Promise<void> {
  const script = `
    const { DatabaseSync } = await import('node:sqlite');
    const database = new DatabaseSync(process.argv[1], { timeout: 20_000 });
    database.exec(process.argv[2]);`;
  const args = ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', script];
  await promisify(execFile)(process.execPath, [...args, path, sql]);
}

storeUpgradeContract('SQLite', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-upgrade-'));
  const path = join(directory, 'keelson.db');
  return {
    open: () => openSqliteStore({ path }),
    execute: (statements) =>
      executeApart(path, ['begin immediate', ...statements, 'commit'].join(';')),
    remove: () => rm(directory, { recursive: true }),
  };
});

describeWithPostgres('PostgreSQL', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.close());

  storeUpgradeContract('PostgreSQL', async () => {
    const url = await server.createDatabase();
    return {
      open: () => openPostgresStore({ url }),
      execute: async (statements) => {
        await server.query(['begin', ...statements, 'commit'].join(';'), url);
      },
      remove: () => Promise.resolve(),
    };
  });
});

describe('createMigrations', () => {
  test('only adds: the version before works on beside it', async () => {
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
