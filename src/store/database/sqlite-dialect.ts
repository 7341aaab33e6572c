import { statSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Dialect,
  type Kysely,
  sql,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import { missing, ServiceError } from '../../core/errors.js';
import type { StoreDialect } from './dialect.js';
import type { Schema } from './schema.js';
import { createSqliteNotificationTrigger } from './notification-triggers.js';
import { createNameSearch } from './sqlite-names.js';
import { createSqliteTagTriggers } from './tag-triggers.js';

const LOCK_WAIT_MS = 10_000;
const LOCK_RETRY_MS = 5;
/** How long SQLite itself waits for a lock, which blocks the process. Only recovery after a crash needs it. */
const BUSY_TIMEOUT_MS = 5_000;
const POLL_MS = 250;
const CACHED_STATEMENTS = 200;
/** Free pages, of 4 KiB each, that the file keeps. */
const KEPT_PAGES = 1_000;
const KEPT_SHARE = 0.1;
/** Pages that one step gives back. It takes about 25 ms, in which this process does nothing else. */
const SHRINK_PAGES = 1_000;
/** 32 MB of write-ahead log, so that a page is copied into the database once for many transactions that change it. */
const CHECKPOINT_PAGES = 8_000;
/** Page cache of the writing connection: changes of many sessions come back to the same pages of indexes. */
const CACHE_KIB = 8_000;

export interface SqliteConnections {
  readonly writer: DatabaseSync;
  readonly reader: DatabaseSync;
  /** Throws if the file at the path is not the one that was opened. */
  readonly checkFile?: () => void;
}

/** With `synchronous = FULL` a write is on the disk before it is answered, so it survives a loss of power. */
export async function openConnections(path: string): Promise<SqliteConnections> {
  try {
    const writer = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    // Only works before the first table is created: older files keep the space that they once took.
    await waitForLock(() => writer.exec('PRAGMA auto_vacuum = INCREMENTAL'));
    await waitForLock(() => writer.exec('PRAGMA journal_mode = WAL'));
    writer.exec('PRAGMA synchronous = FULL');
    writer.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    writer.exec(`PRAGMA cache_size = -${CACHE_KIB}`);
    const reader = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, readOnly: true });
    return { writer, reader, checkFile: createFileCheck(path) };
  } catch (error) {
    throw toFault(error) ?? error;
  }
}

/** A file that was replaced, by a backup for example, still takes writes of whoever has it open. They would be lost with it. */
function createFileCheck(path: string): () => void {
  const identify = () => {
    const status = statSync(path, { throwIfNoEntry: false });
    return status && `${status.dev} ${status.ino}`;
  };
  const opened = identify();
  return () => {
    if (identify() === opened) return;
    throw new ServiceError(
      'unavailable',
      `The database can store nothing: its file ${path} was replaced or removed. Stop every API and worker, and start them again.`,
    );
  };
}

export function createSqliteDialect({
  writer,
  reader,
  checkFile = () => undefined,
}: SqliteConnections): StoreDialect {
  const findNames = createNameSearch(reader);
  return {
    checkFile,
    writer: createDialect(writer, checkFile),
    reader: createDialect(reader, checkFile),
    readTogether,
    types: { text: sql`text`, bytes: 'blob' },
    hasOneWriter: true,
    indexesLongTexts: true,
    contains: (text, part) => sql`instr(${text}, ${part}) > 0`,
    nameContains: (part) => {
      const names = findNames(part);
      return names === undefined
        ? sql`instr(name, ${part}) > 0`
        : sql`name in (select value from json_each(${JSON.stringify(names)}))`;
    },
    isOneOfFew: (id, ids) => sql`${id} in ${ids}`,
    textsOf: (json) => sql`(select value from json_each(${json}))`,
    rowsOf: (json, columns) => {
      const values = Object.keys(columns).map(
        (name) => sql`json_extract(value, ${sql.lit(`$.${name}`)}) as ${sql.ref(name)}`,
      );
      return sql`(select ${sql.join(values)} from json_each(${json})) as given`;
    },
    createRevision: () => Promise.resolve(),
    createTagTriggers: createSqliteTagTriggers,
    createNotificationTrigger: createSqliteNotificationTrigger,
    nextRevision: async (db) => {
      const query = db
        .updateTable('deployment')
        .set((eb) => ({ revision: eb('revision', '+', 1) }))
        .returning('revision');
      return (await query.executeTakeFirstOrThrow()).revision;
    },
    toFault,
    shrink: () => shrink(writer),
    watch: (onChange) => watchDataVersion(writer, () => onChange({ kind: 'any' })),
  };
}

/** Not by Kysely's transaction, whose beginning would wait for other writers. */
function readTogether<T>(
  reader: Kysely<Schema>,
  query: (db: Kysely<Schema>) => Promise<T>,
): Promise<T> {
  return reader.connection().execute(async (db) => {
    await sql`begin`.execute(db);
    try {
      return await query(db);
    } finally {
      // Nothing is to be committed. It fails if an error has ended the transaction, and then that error counts.
      await sql`rollback`.execute(db).catch(() => undefined);
    }
  });
}

/**
 * Repeats `act` while another process or connection has the lock, without blocking this process: SQLite's own wait would also
 * keep a second store in this process from ever releasing its lock.
 */
async function waitForLock(act: () => void): Promise<void> {
  const deadline = performance.now() + LOCK_WAIT_MS;
  for (;;) {
    try {
      act();
      return;
    } catch (error) {
      if (toResultCode(error) !== SQLITE.busy || performance.now() > deadline) throw error;
    }
    await delay(LOCK_RETRY_MS);
  }
}

function createDialect(database: DatabaseSync, checkFile: () => void): Dialect {
  return {
    createAdapter: () => new TransactionalAdapter(),
    createDriver: () => createDriver(database, checkFile),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

/** SQLite rolls back DDL like anything else; Kysely's adapter does not say so. */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

function createDriver(database: DatabaseSync, checkFile: () => void): SqliteDriver {
  const driver = new SqliteDriver({ database: toKyselyDatabase(database) });
  // IMMEDIATE, because a transaction that reads before it writes would fail if another has written in between.
  driver.beginTransaction = async () => {
    database.exec('PRAGMA busy_timeout = 0');
    try {
      await waitForLock(() => database.exec('BEGIN IMMEDIATE'));
    } finally {
      database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    }
  };
  driver.commitTransaction = () => {
    checkFile();
    database.exec('COMMIT');
    return Promise.resolve();
  };
  // If the disk is full, SQLite has rolled back already. A second ROLLBACK would fail and hide the cause from the caller.
  driver.rollbackTransaction = () => {
    if (database.isTransaction) database.exec('ROLLBACK');
    return Promise.resolve();
  };
  return driver;
}

function toKyselyDatabase(database: DatabaseSync): SqliteDatabase {
  const cache = new Map<string, ReturnType<SqliteDatabase['prepare']>>();
  const prepare: SqliteDatabase['prepare'] = (text) => {
    const statement = database.prepare(text);
    const columns = statement.columns().map(({ name }) => name);
    statement.setReturnArrays(true);
    const toRow = createRowMaker(columns);
    const toValues = (parameters: readonly unknown[]) => parameters as readonly SQLInputValue[];
    return {
      reader: columns.length > 0,
      all: (parameters) => statement.all(...toValues(parameters)).map(toRow),
      run: (parameters) => statement.run(...toValues(parameters)),
      *iterate(parameters) {
        for (const values of statement.iterate(...toValues(parameters))) yield toRow(values);
      },
    };
  };
  return {
    prepare(text) {
      const known = cache.get(text);
      if (known !== undefined) return known;
      if (cache.size >= CACHED_STATEMENTS) cache.clear();
      const statement = prepare(text);
      cache.set(text, statement);
      return statement;
    },
    close: () => database.close(),
  };
}

/**
 * Makes rows of lists of values. Node's own rows are slow to make and slower to read, because each is a dictionary: copies of
 * one object have its shape, which halves the time for a page of sessions.
 */
function createRowMaker(columns: readonly string[]) {
  const empty: Record<string, unknown> = Object.fromEntries(columns.map((name) => [name, null]));
  return (values: unknown) => {
    const row = { ...empty };
    columns.forEach((name, index) => (row[name] = (values as readonly unknown[])[index]));
    return row;
  };
}

/** Gives back some free pages. Keeps those that the next sessions will need again. */
function shrink(database: DatabaseSync): number {
  const read = (name: string) => Number(database.prepare(`PRAGMA ${name}`).get()?.[name]);
  const pages = read('page_count');
  const spare = read('freelist_count') - Math.max(KEPT_PAGES, Math.floor(pages * KEPT_SHARE));
  if (spare <= 0) return 0;
  database.exec(`PRAGMA incremental_vacuum(${Math.min(spare, SHRINK_PAGES)})`);
  return (pages - read('page_count')) * read('page_size');
}

/**
 * `data_version` changes with the commits of other connections only. While the database does not answer, nothing is told; the
 * next answer shows whether something has changed meanwhile.
 */
function watchDataVersion(database: DatabaseSync, onChange: () => void): () => void {
  const statement = database.prepare('PRAGMA data_version');
  const readVersion = () => {
    try {
      return statement.get()?.['data_version'];
    } catch {
      // Thrown from a timer, it would end the process. Whoever needs the database hears why it does not answer.
      return undefined;
    }
  };
  let last = readVersion();
  const timer = setInterval(() => {
    const version = readVersion();
    if (version === undefined || version === last) return;
    last = version;
    onChange();
  }, POLL_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** https://www.sqlite.org/rescode.html */
const SQLITE = {
  busy: 5,
  locked: 6,
  readOnly: 8,
  io: 10,
  full: 13,
  cannotOpen: 14,
  protocol: 15,
} as const;
const UNAVAILABLE: readonly number[] = Object.values(SQLITE);
/** Reads still work. */
const TAKES_NOTHING: readonly number[] = [SQLITE.readOnly, SQLITE.full];
const FOREIGN_KEY = 787;

function toFault(error: unknown): ServiceError | undefined {
  if (!isObject(error) || !('message' in error)) return undefined;
  const code = toResultCode(error) ?? 0;
  if (UNAVAILABLE.includes(code)) {
    const fact = TAKES_NOTHING.includes(code) ? 'can store nothing' : 'does not answer';
    return new ServiceError('unavailable', `The database ${fact}: ${String(error.message)}`, {
      cause: error,
    });
  }
  if ('errcode' in error && error.errcode === FOREIGN_KEY) return missing('Session', 'of this job');
  return undefined;
}

/** The primary result code, which is the low byte of an extended one. */
export function toResultCode(error: unknown): number | undefined {
  if (!isObject(error) || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
