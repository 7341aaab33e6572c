import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from '@jest/globals';
import { openPostgresStore } from '../../src/store/database/postgres.js';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import type { Store } from '../../src/store/store.js';
import { describeWithPostgres, startPostgres } from '../support/postgres.js';

export interface TestDatabase {
  readonly name: string;
  /** Skips if there is no server. */
  readonly describe: typeof describe.skip;
  /** Opens an empty database. */
  readonly open: () => Promise<OpenDatabase>;
}

export interface OpenDatabase {
  readonly store: Store;
  /** The same database, as another process opens it. */
  readonly other: Store;
  readonly close: () => Promise<void>;
}

/** The databases on which contract suites run. */
export const databases: readonly TestDatabase[] = [
  { name: 'SQLite', describe, open: openSqlite },
  { name: 'PostgreSQL', describe: describeWithPostgres, open: openPostgres },
];

async function openPostgres(): Promise<OpenDatabase> {
  const server = await startPostgres();
  const url = await server.createDatabase();
  const store = await openPostgresStore({ url });
  const other = await openPostgresStore({ url });
  return {
    store,
    other,
    async close() {
      await other.close();
      await store.close();
      await server.close();
    },
  };
}

async function openSqlite(): Promise<OpenDatabase> {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-database-'));
  const path = join(directory, 'keelson.db');
  const store = await openSqliteStore({ path });
  const other = await openSqliteStore({ path });
  return {
    store,
    other,
    async close() {
      await other.close();
      await store.close();
      await rm(directory, { recursive: true });
    },
  };
}
