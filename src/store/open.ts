import { describePostgresError } from './database/postgres-faults.js';
import { openPostgresStore, type PostgresStoreOptions } from './database/postgres.js';
import type { MigrationWait } from './database/postgres-migrating.js';
import { openSqliteStore } from './database/sqlite.js';
import { toPostgresFailure, toSqliteFailure } from './open-failure.js';
import type { Store } from './store.js';

export type DatabaseOptions =
  | { readonly kind: 'sqlite'; readonly path: string }
  | ({ readonly kind: 'postgres' } & PostgresStoreOptions);

interface Logger {
  warn(fields: object, message: string): void;
}

/** `signal` ends a migration that waits for others: a dump may make it wait for as long as the dump takes. */
export async function openStore(
  options: DatabaseOptions,
  logger: Logger,
  signal?: AbortSignal,
): Promise<Store> {
  if (options.kind === 'sqlite') {
    return openSqliteStore(options).catch((error: unknown) => {
      throw toSqliteFailure(error, options.path);
    });
  }
  let isOpen = false;
  let untold: { readonly error: unknown } | undefined;
  const tellAway = (error: unknown) => {
    const why = describePostgresError(error).message;
    logger.warn({ why }, 'the database does not answer; trying again until it does');
  };
  const outage = {
    onAway(error: unknown) {
      if (isOpen) tellAway(error);
      // Not logged yet: if the store cannot be opened, the error that is thrown says why.
      else untold = { error };
    },
    onBack() {
      if (untold === undefined) logger.warn({}, 'the database answers again');
      untold = undefined;
    },
  };
  const onWait = (wait: MigrationWait) =>
    logger.warn(
      wait,
      'others block the migration of the database; trying again until they are done',
    );
  try {
    const store = await openPostgresStore({
      ...options,
      outage,
      migration: { onWait, ...(signal && { signal }) },
    });
    isOpen = true;
    if (untold !== undefined) tellAway(untold.error);
    untold = undefined;
    return store;
  } catch (error) {
    throw toPostgresFailure(error, options.url);
  }
}
