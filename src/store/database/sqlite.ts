import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createStore } from '../create-store.js';
import { createSqliteDialect, openConnections } from './sqlite-dialect.js';
import type { Store } from '../store.js';

/** Creates the file if there is none, and migrates it. Several processes on one machine may share it. */
export async function openSqliteStore({ path }: { readonly path: string }): Promise<Store> {
  await mkdir(dirname(path), { recursive: true });
  return createStore(createSqliteDialect(await openConnections(path)));
}
