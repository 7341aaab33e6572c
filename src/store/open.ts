import { openPostgresStore, type PostgresStoreOptions } from './database/postgres.js';
import type { MigrationWait } from './database/postgres-migrating.js';
import { openSqliteStore } from './database/sqlite.js';
import type { Store } from './store.js';

export type DatabaseOptions =
  | { readonly kind: 'sqlite'; readonly path: string }
  | ({ readonly kind: 'postgres' } & PostgresStoreOptions);

interface Logger {
  warn(fields: object, message: string): void;
}

/** `signal` ends the waiting of a migration, which may take as long as a dump does. */
export function openStore(
  options: DatabaseOptions,
  logger: Logger,
  signal?: AbortSignal,
): Promise<Store> {
  if (options.kind === 'sqlite') return openSqliteStore(options);
  const onLoss = (error: unknown) => logger.warn({ err: error }, 'a database connection was lost');
  const onWait = (wait: MigrationWait) =>
    logger.warn(wait, 'the migration of the database waits for others; it is tried again');
  return openPostgresStore({
    ...options,
    onLoss,
    migration: { onWait, ...(signal && { signal }) },
  });
}
