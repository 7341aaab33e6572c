import { setTimeout as delay } from 'node:timers/promises';
import { type Kysely, PostgresAdapter, PostgresDialect, type PostgresPool, sql } from 'kysely';
import type { StoreDialect } from './dialect.js';
import { isDeadlock, isLockTimeout } from './postgres-faults.js';
import { SHARED_CONNECTION } from './postgres-notices.js';
import type { Schema } from './schema.js';

/** The key of the advisory lock: any number that nobody else uses. */
const MIGRATION_LOCK = 5_147_211_904;
/** Longer than the second after which an autovacuum gives way. */
const LOCK_MS = 3_000;
/** How often it checks, during `lockMs`, what it waits for. */
const LOOKS = 4;

/** How a migration waits for others. */
export interface MigrationWaiting {
  /** How long it waits for a lock before it gives up all the locks that it has. */
  readonly lockMs?: number;
  readonly onWait?: (wait: MigrationWait) => void;
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
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

/** Takes no lock of Kysely's, because the migration has its own. Kysely's would wait for an hour, and hide the real failure. */
class LockedAdapter extends PostgresAdapter {
  override acquireMigrationLock(): Promise<void> {
    return Promise.resolve();
  }

  override releaseMigrationLock(): Promise<void> {
    return Promise.resolve();
  }
}

/**
 * While a migration waits for a table, everybody else who needs the table queues behind it, even if the migration only waits
 * for a reader such as `pg_dump`. So an attempt waits briefly, and the others get their turn between two attempts.
 * `isListening` says whether this process of the server serves the connection that listens.
 */
export function createMigrationTurns(
  { lockMs = LOCK_MS, onWait, signal }: MigrationWaiting,
  isListening: (serverProcess: number) => boolean,
): Required<Pick<StoreDialect, 'beforeMigration' | 'migrateInTurns'>> {
  let processId = 0;
  return {
    beforeMigration: async (db) => {
      await refuseUnfitServer(db);
      processId = await findProcessId(db);
      if (isListening(processId)) throw new Error(SHARED_CONNECTION);
      await lockMigration(db, lockMs);
    },
    migrateInTurns: async (attempt, db) => {
      const begin = performance.now();
      for (;;) {
        const watch = watchBlockers(() => listBlockers(db, processId), lockMs / LOOKS);
        try {
          await attempt();
          return;
        } catch (error) {
          if (!isLockTimeout(error) && !isDeadlock(error)) throw error;
        } finally {
          watch.close();
        }
        onWait?.({ seconds: (performance.now() - begin) / 1000, waitsFor: watch.last() });
        await delay(lockMs, undefined, signal && { signal });
      }
    },
  };
}

async function findProcessId(db: Kysely<Schema>): Promise<number> {
  const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db);
  return rows[0]?.pid ?? 0;
}

/** Kept until the connection ends: if released between attempts, another process would only take this one's place. */
async function lockMigration(db: Kysely<Schema>, lockMs: number): Promise<void> {
  await sql`set local lock_timeout = ${sql.lit(lockMs)}`.execute(db);
  await sql`select pg_advisory_lock(${sql.lit(MIGRATION_LOCK)})`.execute(db);
}

/** Remembers who was last seen to block the migration. */
function watchBlockers(list: () => Promise<readonly string[]>, everyMs: number) {
  let last: readonly string[] = [];
  const look = async () => {
    const found = await list();
    if (found.length > 0) last = found;
  };
  // A look that fails is repeated; if the database is away, the migration itself says so.
  const timer = setInterval(() => void look().catch(() => undefined), everyMs);
  return { last: () => last, close: () => clearInterval(timer) };
}

async function listBlockers(db: Kysely<Schema>, processId: number): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string }>`
    select coalesce(nullif(application_name, ''), backend_type) || ' (' || pid || ')' as name
    from pg_stat_activity
    where pid = any(pg_blocking_pids(${sql.lit(processId)}))
    order by name`.execute(db);
  return rows.map(({ name }) => name);
}

async function refuseUnfitServer(db: Kysely<Schema>): Promise<void> {
  const { rows } = await sql<{ version: number; encoding: string; guest: string | null }>`
    select current_setting('server_version_num')::int as version, current_setting('server_encoding') as encoding,
      case when has_schema_privilege(current_schema(), 'CREATE') or to_regclass('kysely_migration') is not null
        then null else current_user end as guest`.execute(db);
  const { version = 0, encoding, guest = null } = rows[0] ?? {};
  if (version < 140_000) throw new Error('DATABASE_URL: PostgreSQL 14 or newer is needed.');
  if (encoding !== 'UTF8') {
    throw new Error(`DATABASE_URL: the database is encoded in ${encoding}; it must be UTF8.`);
  }
  // Checked here, because Kysely would only say that its transaction is aborted.
  if (guest !== null) {
    throw new Error(
      `DATABASE_URL: the user ${guest} may not create tables in the database. Make it the owner.`,
    );
  }
}
