import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { DatabaseConfig } from '../config/database.js';
import { openStore } from '../store/open.js';
import type { Store } from '../store/store.js';
import { onScreen } from './run.js';

/** Names the database for people, without its password. */
export function describeDatabase(database: DatabaseConfig): string {
  if (database.kind === 'sqlite') return `SQLite ${resolve(database.path)}`;
  const { host, pathname } = new URL(database.url);
  return `PostgreSQL ${host}${pathname}`;
}

/**
 * Opens an existing database. Without this check an empty one would be made, and the command would find everything in order.
 */
export async function openPresentStore(database: DatabaseConfig): Promise<Store> {
  if (database.kind === 'sqlite' && !existsSync(database.path))
    throw new Error(
      `There is no database ${resolve(database.path)}. Set KEELSON_DATA to the service's data directory, or DATABASE_URL to its PostgreSQL.`,
    );
  return openStore(database, onScreen);
}
