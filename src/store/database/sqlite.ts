import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createStore } from '../create-store.js';
import { createSqliteDialect, openConnections } from './sqlite-dialect.js';
import type { Store } from '../store.js';

/** Makes the file and brings it up to date. Several processes may share it, on one machine. */
export async function openSqliteStore({ path }: { readonly path: string }): Promise<Store> {
  await mkdir(dirname(path), { recursive: true });
  return createStore(createSqliteDialect(await openConnections(path)));
}
