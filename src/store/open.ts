import { openPostgresStore, type PostgresStoreOptions } from './database/postgres.js';
import { openSqliteStore } from './database/sqlite.js';
import type { Store } from './store.js';

export type DatabaseOptions =
  | { readonly kind: 'sqlite'; readonly path: string }
  | ({ readonly kind: 'postgres' } & PostgresStoreOptions);

interface Logger {
  warn(fields: object, message: string): void;
}

export function openStore(options: DatabaseOptions, logger: Logger): Promise<Store> {
  if (options.kind === 'sqlite') return openSqliteStore(options);
  const onLoss = (error: unknown) => logger.warn({ err: error }, 'a database connection was lost');
  return openPostgresStore({ ...options, onLoss });
}
