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
  /** For migrations, where they need another one; closed after them. */
  readonly migrator?: Dialect;
  readonly types: {
    /** Compares by code point. */
    readonly text: RawBuilder<unknown>;
    readonly bytes: ColumnDataType;
  };
  /** Whether transactions run one after the other anyway. Those that wait may then share a commit, and no row needs a lock. */
  readonly hasOneWriter: boolean;
  /** Whether an index takes texts of any length. */
  readonly indexesLongTexts: boolean;
  /** A value that changes with each change of a row; absent where a transaction costs no round trips, so that nobody needs it. */
  readonly rowVersion?: RawBuilder<string>;
  /** The time by the database's clock, ISO; absent where all processes run on one machine and share its clock. */
  readonly clock?: RawBuilder<string>;
  contains(text: Expression<string>, part: string): Expression<SqlBool>;
  /** `contains` for the name of a session, written so that an index serves it where there is one. */
  nameContains(part: string): Expression<SqlBool>;
  /** `id in ids`, where we know that `ids` are few and the database may expect many. */
  isOneOfFew(id: Expression<string>, ids: Expression<unknown>): Expression<SqlBool>;
  /**
   * Has the rest of a transaction read rows in the order of an index until there are enough. By its statistics, which know
   * nothing of the last minutes, the database would read and sort all of them for each page.
   */
  readonly readInOrder?: (db: Kysely<Schema>) => Promise<void>;
  /** The texts of a JSON list, as a sub-select: a list of any length is one parameter. */
  textsOf(json: string): RawBuilder<string>;
  /** The objects of a JSON list as rows to select from, called `given`. */
  rowsOf(json: string, columns: Readonly<Record<string, 'text' | 'bigint'>>): RawBuilder<unknown>;
  /** The fault for a database that does not answer, or for a foreign key that refers to nothing; undefined: a defect of ours. */
  toFault(error: unknown): ServiceError | undefined;
  /** Whether the database has undone the transaction to end a deadlock. */
  readonly isDeadlock?: (error: unknown) => boolean;
  /** Runs first in the migrating transaction: lets one process migrate at a time, and refuses a server that does not fit. */
  readonly beforeMigration?: (db: Kysely<Schema>) => Promise<void>;
  /** Repeats the migrating transaction until it succeeds without making others wait for long. By `db` it looks for what is in its way. */
  readonly migrateInTurns?: (attempt: () => Promise<void>, db: Kysely<Schema>) => Promise<void>;
  readonly createRevision: (db: Kysely<unknown>) => Promise<void>;
  /** Triggers that keep the columns which a tag has from its session equal to the session's. */
  readonly createTagTriggers: (db: Kysely<unknown>) => Promise<void>;
  /** A trigger that notes the end of each session in `notifications`, while those are wanted. */
  readonly createNotificationTrigger: (db: Kysely<unknown>) => Promise<void>;
  /** Makes the index that serves `nameContains`, where the database can have one. */
  readonly indexNameParts?: (db: Kysely<unknown>) => Promise<void>;
  /** Keeps the database from trying to compress logs, which are gzip already. */
  readonly keepLogsAsTheyCome?: (db: Kysely<unknown>) => Promise<void>;
  /** A number that is given only once; where there is one writer, that of a transaction which was rolled back is given again. */
  readonly nextRevision: (db: Kysely<Schema>) => Promise<number>;
  /** Called after commits of this process, where other processes do not learn of them by themselves. */
  readonly announce?: (changes: readonly Change[]) => void;
  /** Calls back soon after others have committed. Returns how to stop. */
  readonly watch: (onChange: (change: Change) => void) => () => void;
  readonly pool?: () => PoolUse;
  /** `RetentionStore.shrink` within a transaction; absent where the database gives room back by itself. */
  readonly shrink?: () => number;
  /** Called after the last commit. */
  readonly close?: () => Promise<void>;
}
