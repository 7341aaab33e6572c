import { setTimeout as delay } from 'node:timers/promises';
import { type Kysely, PostgresAdapter, PostgresDialect, type PostgresPool, sql } from 'kysely';
import { isDeadlock, isLockTimeout } from './postgres-faults.js';
import type { Schema } from './schema.js';

/** Tells the connection that migrates from all others. */
export const MIGRATION_NAME = 'keelson-migration';

/** Any number that nobody else takes. */
const MIGRATION_LOCK = 5_147_211_904;
/** Longer than the second after which an autovacuum gives way. */
const LOCK_MS = 3_000;
/** How often it looks what it waits for, while it does. */
const LOOKS = 4;

/** How a migration waits for others. */
export interface MigrationWaiting {
  /** How long it waits for a lock before it gives up all locks that it has. */
  readonly lockMs?: number;
  readonly onWait?: (wait: MigrationWait) => void;
}

export interface MigrationWait {
  /** Since the migration began. */
  readonly seconds: number;
  /** Names of applications and process ids, such as `pg_dump (4711)`. */
  readonly waitsFor: readonly string[];
}

export function createMigrationDialect(pool: PostgresPool): PostgresDialect {
  const dialect = new PostgresDialect({ pool });
  dialect.createAdapter = () => new LockedAdapter();
  return dialect;
}

/** We hold a lock to the commit. Kysely's would wait for an hour, and hide what failed behind its own failure. */
class LockedAdapter extends PostgresAdapter {
  override acquireMigrationLock(): Promise<void> {
    return Promise.resolve();
  }

  override releaseMigrationLock(): Promise<void> {
    return Promise.resolve();
  }
}

/** Within the migrating transaction, first. */
export async function beginMigration(
  db: Kysely<Schema>,
  { lockMs = LOCK_MS }: MigrationWaiting,
): Promise<void> {
  await refuseUnfitServer(db);
  await sql`set local lock_timeout = ${sql.lit(lockMs)}`.execute(db);
  await sql`select pg_advisory_xact_lock(${sql.lit(MIGRATION_LOCK)})`.execute(db);
}

/**
 * Whoever comes to a table waits behind a migration that waits for it, though they would not wait for what that waits for, such
 * as a `pg_dump`. So it goes out of the way again and again, for as long as others had to wait for it, and tells of it.
 */
export async function migrateInTurns(
  attempt: () => Promise<void>,
  db: Kysely<Schema>,
  { lockMs = LOCK_MS, onWait }: MigrationWaiting,
): Promise<void> {
  const begin = performance.now();
  for (;;) {
    const watch = watchBlockers(db, lockMs / LOOKS);
    try {
      await attempt();
      return;
    } catch (error) {
      if (!isLockTimeout(error) && !isDeadlock(error)) throw error;
    } finally {
      watch.close();
    }
    onWait?.({ seconds: (performance.now() - begin) / 1000, waitsFor: watch.last() });
    await delay(lockMs);
  }
}

/** Those in the way of migrations, as they were last seen. */
function watchBlockers(db: Kysely<Schema>, everyMs: number) {
  let last: readonly string[] = [];
  const look = async () => {
    const found = await listBlockers(db);
    if (found.length > 0) last = found;
  };
  // A look that fails is repeated; if the database is away, the migration itself says so.
  const timer = setInterval(() => void look().catch(() => undefined), everyMs);
  return { last: () => last, close: () => clearInterval(timer) };
}

async function listBlockers(db: Kysely<Schema>): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string }>`
    select distinct blocker.application_name || ' (' || blocker.pid || ')' as name
    from pg_stat_activity as migration
    join pg_stat_activity as blocker on blocker.pid = any(pg_blocking_pids(migration.pid))
    where migration.application_name = ${MIGRATION_NAME}
      and migration.datname = current_database()
    order by name`.execute(db);
  return rows.map(({ name }) => name);
}

async function refuseUnfitServer(db: Kysely<Schema>): Promise<void> {
  const { rows } = await sql<{ version: number; encoding: string }>`
    select current_setting('server_version_num')::int as version, current_setting('server_encoding') as encoding`.execute(
    db,
  );
  const { version = 0, encoding } = rows[0] ?? {};
  if (version < 140_000) throw new Error('DATABASE_URL: PostgreSQL 14 or newer is needed.');
  if (encoding !== 'UTF8') {
    throw new Error(`DATABASE_URL: the database is encoded in ${encoding}; it must be UTF8.`);
  }
}
