import { createStore } from '../create-store.js';
import {
  createMigrationPool,
  createPool,
  type PostgresOptions,
  toConnectionSettings,
  toTimeouts,
} from './postgres-connection.js';
import { createPostgresDialect } from './postgres-dialect.js';
import { toFault } from './postgres-faults.js';
import type { MigrationWaiting } from './postgres-migrating.js';
import { openNotices, type Outage } from './postgres-notices.js';
import type { Store } from '../store.js';

export interface PostgresStoreOptions extends PostgresOptions {
  readonly outage?: Outage;
  readonly migration?: MigrationWaiting;
}

const UNTOLD: Outage = { onAway: () => undefined, onBack: () => undefined };

/** Migrates the database. Any number of processes may share it. */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<Store> {
  const notices = await openNotices(toConnectionSettings(options), options.outage ?? UNTOLD);
  const parts = {
    pool: createPool(options),
    timeouts: toTimeouts(options),
    migrationPool: createMigrationPool(options),
    ...(options.migration === undefined ? {} : { migration: options.migration }),
    notices,
  };
  try {
    return await createStore(createPostgresDialect(parts));
  } catch (error) {
    await Promise.all([notices.close(), parts.pool.end()]);
    throw toFault(error) ?? error;
  }
}
