import type { ColumnDataType, Dialect, Expression, Kysely, RawBuilder, SqlBool } from 'kysely';
import type { ServiceError } from '../../core/errors.js';
import type { Schema } from './schema.js';
import type { Change, PoolUse } from '../store.js';

/** Everything in which the two databases differ. */
export interface StoreDialect {
  /** For transactions: SQLite's one writing connection, or the pool. */
  readonly writer: Dialect;
  /** For single reads, so that they never wait for a transaction. */
  readonly reader: Dialect;
  /** For migrations, if they need another one. It is closed after them. */
  readonly migrator?: Dialect;
  /** Runs SELECTs in a transaction that only reads, and therefore sees no commit of others. */
  readonly readTogether: <T>(
    reader: Kysely<Schema>,
    query: (db: Kysely<Schema>) => Promise<T>,
  ) => Promise<T>;
  readonly types: {
    /** Compares by code point. */
    readonly text: RawBuilder<unknown>;
    readonly bytes: ColumnDataType;
  };
  /** Whether transactions run one after the other (SQLite). Those that wait can share a commit, and no row needs a lock. */
  readonly hasOneWriter: boolean;
  /** Whether an index takes texts of any length. */
  readonly indexesLongTexts: boolean;
  /** A value that changes whenever its row does. Absent on SQLite, which needs none: a transaction costs no round trips. */
  readonly rowVersion?: RawBuilder<string>;
  /** The database's time, ISO. Absent on SQLite, whose processes share the clock of one machine. */
  readonly clock?: RawBuilder<string>;
  contains(text: Expression<string>, part: string): Expression<SqlBool>;
  /** `contains` for the name of a session that is committed, in a form that an index can serve. To be used at once. */
  nameContains(part: string): Expression<SqlBool>;
  /** `id in ids` for few `ids`, of which the planner may expect many. */
  isOneOfFew(id: Expression<string>, ids: Expression<unknown>): Expression<SqlBool>;
  /**
   * Makes the rest of a transaction read rows in the order of an index until there are enough. With statistics that are
   * minutes old, the planner would rather read and sort all rows for each page.
   */
  readonly readInOrder?: (db: Kysely<Schema>) => Promise<void>;
  /** The texts of a JSON list as a sub-select, so that a list of any length is one parameter. */
  textsOf(json: string): RawBuilder<string>;
  /** The objects of a JSON list as rows to select from, called `given`. */
  rowsOf(json: string, columns: Readonly<Record<string, 'text' | 'bigint'>>): RawBuilder<unknown>;
  /** Throws fault `unavailable` if what is stored would be lost, although the database answers. Absent on PostgreSQL. */
  readonly checkFile?: () => void;
  /** The fault if the database does not answer, or a foreign key refers to nothing. Undefined for a defect in this code. */
  toFault(error: unknown): ServiceError | undefined;
  /** Whether the database has undone the transaction to end a deadlock. */
  readonly isDeadlock?: (error: unknown) => boolean;
  /** Runs first in the migrating transaction: lets one process migrate at a time, and refuses an unsuitable server. */
  readonly beforeMigration?: (db: Kysely<Schema>) => Promise<void>;
  /** Repeats the migrating transaction until it succeeds, without making others wait long. Uses `db` to see what blocks it. */
  readonly migrateInTurns?: (attempt: () => Promise<void>, db: Kysely<Schema>) => Promise<void>;
  readonly createRevision: (db: Kysely<unknown>) => Promise<void>;
  /** Creates the triggers that keep the session's columns in `session_tags` equal to the session's. */
  readonly createTagTriggers: (db: Kysely<unknown>) => Promise<void>;
  /** Creates the trigger that notes the end of each session in `notifications` while that is turned on. */
  readonly createNotificationTrigger: (db: Kysely<unknown>) => Promise<void>;
  /** Creates the index that serves `nameContains`, if the database can have one. */
  readonly indexNameParts?: (db: Kysely<unknown>) => Promise<void>;
  /** Keeps the database from trying to compress logs, which are gzip already. */
  readonly keepLogsAsTheyCome?: (db: Kysely<unknown>) => Promise<void>;
  /** A number that is used once. On SQLite, a number from a transaction that was rolled back is used again. */
  readonly nextRevision: (db: Kysely<Schema>) => Promise<number>;
  /** Called after commits of this process. Absent if other processes learn of them by themselves. */
  readonly announce?: (changes: readonly Change[]) => void;
  /** Calls back soon after others have committed. Returns a function to stop. */
  readonly watch: (onChange: (change: Change) => void) => () => void;
  readonly pool?: () => PoolUse;
  /** `RetentionStore.shrink` within a transaction. Absent if the database reclaims space by itself. */
  readonly shrink?: () => number;
  /** Called after the last commit. */
  readonly close?: () => Promise<void>;
}
