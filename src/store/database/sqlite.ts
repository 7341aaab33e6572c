import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createStore } from '../create-store.js';
import { createSqliteDialect, openConnections } from './sqlite-dialect.js';
import type { Store } from '../store.js';

/** Creates the file if there is none, and migrates it. Several processes on one machine may share it. */
export async function openSqliteStore({ path }: { readonly path: string }): Promise<Store> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await makePrivate(path);
  return createStore(createSqliteDialect(await openConnections(path)));
}

/**
 * Creates the file for its owner alone, because SQLite would let everybody read it. Its other files get the same mode. A file
 * that cannot be created is reported by SQLite.
 */
async function makePrivate(path: string): Promise<void> {
  const file = await open(path, 'a', 0o600).catch(() => undefined);
  await file?.close();
}
