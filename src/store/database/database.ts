import { Kysely, type Transaction } from 'kysely';
import { Migrator } from 'kysely/migration';
import { ServiceError } from '../../core/errors.js';
import type { ChangeFeed } from './changes.js';
import type { StoreDialect } from './dialect.js';
import { createGroupCommit } from './group-commit.js';
import { provideMigrations } from '../migrations/later-migrations.js';
import { createMigrations } from '../migrations/migrations.js';
import type { Schema } from './schema.js';
import type { Change } from '../store.js';

const DEADLOCK_ATTEMPTS = 5;

export type Connection = Kysely<Schema>;
/** Notes a change of which the listeners hear after the commit. */
export type Emit = (change: Change) => void;

/** A transaction under way, for the functions that it calls. */
export interface WriteContext {
  readonly dialect: StoreDialect;
  readonly db: Transaction<Schema>;
  readonly emit: Emit;
  /** The time that it writes. */
  readonly at: string;
}

/** What each folder's queries are given to reach the database. */
export interface Database {
  readonly dialect: StoreDialect;
  /** Runs one SELECT, which sees what is committed and never waits for a transaction. */
  readonly read: <T>(query: (db: Connection) => Promise<T>) => Promise<T>;
  /** Runs several SELECTs, which all see the same. Never waits for a transaction either. */
  readonly readTogether: <T>(query: (db: Connection) => Promise<T>) => Promise<T>;
  /** Runs one transaction. */
  readonly write: <T>(change: (db: Transaction<Schema>, emit: Emit) => Promise<T>) => Promise<T>;
  /** `write` for a change of one statement. On PostgreSQL the statement is its own transaction, which saves round trips. */
  readonly writeAtOnce: <T>(change: (db: Connection, emit: Emit) => Promise<T>) => Promise<T>;
  readonly close: () => Promise<void>;
}

export async function openDatabase(dialect: StoreDialect, feed: ChangeFeed): Promise<Database> {
  const writer = new Kysely<Schema>({ dialect: dialect.writer });
  const reader = new Kysely<Schema>({ dialect: dialect.reader });
  let isClosed = false;
  const act = <T>(query: () => Promise<T>) => {
    if (isClosed) throw new ServiceError('unavailable', 'The database is closed.');
    return translate(dialect, query);
  };
  await act(() => migrate(writer, dialect));
  const group = dialect.hasOneWriter ? createGroupCommit(writer) : undefined;
  const transact = <T>(change: (db: Transaction<Schema>) => Promise<T>) =>
    group?.run(change) ?? repeatDeadlocked(dialect, () => writer.transaction().execute(change));
  const actAtOnce = <T>(change: (db: Connection) => Promise<T>) =>
    group?.run(change) ?? repeatDeadlocked(dialect, () => change(writer));
  const publishing =
    <Db extends Connection>(run: <T>(change: (db: Db) => Promise<T>) => Promise<T>) =>
    async <T>(change: (db: Db, emit: Emit) => Promise<T>) => {
      const changes: Change[] = [];
      const result = await act(() =>
        run((db) => {
          changes.length = 0;
          return change(db, (entry) => changes.push(entry));
        }),
      );
      feed.publish(changes);
      return result;
    };
  return {
    dialect,
    read: async (query) => act(() => query(reader)),
    readTogether: async (query) => act(() => dialect.readTogether(reader, query)),
    write: publishing(transact),
    writeAtOnce: publishing(actAtOnce),
    async close() {
      isClosed = true;
      await group?.settle();
      await reader.destroy();
      await writer.destroy();
    },
  };
}

async function migrate(writer: Connection, dialect: StoreDialect): Promise<void> {
  const own = dialect.migrator && new Kysely<Schema>({ dialect: dialect.migrator });
  const attempt = () => migrateBy(own ?? writer, dialect);
  try {
    await (dialect.migrateInTurns?.(attempt, writer) ?? attempt());
  } finally {
    await own?.destroy();
  }
}

/** Migrates in one transaction: of several processes that start at once one migrates, and the others find it done. */
async function migrateBy(connection: Connection, dialect: StoreDialect): Promise<void> {
  await connection.transaction().execute(async (db) => {
    await dialect.beforeMigration?.(db);
    const provider = provideMigrations(db, createMigrations(dialect));
    const migrator = new Migrator({ db, provider });
    const { error } = await migrator.migrateToLatest();
    if (error !== undefined) throw error as Error;
  });
}

/** Repeats a transaction that the database undid to end a deadlock. After the last attempt the caller gets `unavailable`. */
async function repeatDeadlocked<T>(
  { isDeadlock }: StoreDialect,
  transact: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await transact();
    } catch (error) {
      if (attempt === DEADLOCK_ATTEMPTS || isDeadlock?.(error) !== true) throw error;
    }
  }
}

async function translate<T>(dialect: StoreDialect, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw dialect.toFault(error) ?? error;
  }
}
