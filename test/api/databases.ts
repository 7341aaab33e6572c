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
  readonly close: () => Promise<void>;
}

/** The databases on which contract suites run. */
export const databases: readonly TestDatabase[] = [
  { name: 'SQLite', describe, open: openSqlite },
  { name: 'PostgreSQL', describe: describeWithPostgres, open: openPostgres },
];

async function openPostgres(): Promise<OpenDatabase> {
  const server = await startPostgres();
  const store = await openPostgresStore({ url: await server.createDatabase() });
  return {
    store,
    async close() {
      await store.close();
      await server.close();
    },
  };
}

async function openSqlite(): Promise<OpenDatabase> {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-database-'));
  const store = await openSqliteStore({ path: join(directory, 'keelson.db') });
  return {
    store,
    async close() {
      await store.close();
      await rm(directory, { recursive: true });
    },
  };
}
