import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../src/store/sqlite.js';
import type { Store } from '../../src/store/store.js';

export interface TestDatabase {
  readonly name: string;
  /** An empty one. */
  readonly open: () => Promise<OpenDatabase>;
}

export interface OpenDatabase {
  readonly store: Store;
  readonly close: () => Promise<void>;
}

/** What suites run on that are to hold on every database. */
export const databases: readonly TestDatabase[] = [{ name: 'SQLite', open: openSqlite }];

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
