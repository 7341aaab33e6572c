import type { ColumnDataType, Dialect, Expression, Kysely, RawBuilder, SqlBool } from 'kysely';
import type { ServiceError } from '../../core/errors.js';
import type { Schema } from './schema.js';
import type { Change, PoolUse } from '../store.js';

/** All in which the databases differ. */
export interface StoreDialect {
  /** The one connection, or the pool, for transactions. */
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
  /** Whether transactions come one after the other anyway: those which wait may share a commit, and no row needs a lock. */
  readonly hasOneWriter: boolean;
  /** Whether an index takes texts of any length. */
  readonly indexesLongTexts: boolean;
  /** Of a row another one with each change; absent where a transaction costs no round trips. */
  readonly rowVersion?: RawBuilder<string>;
  /** The time by the database's own clock, ISO; absent where all processes share a machine, and so a clock. */
  readonly clock?: RawBuilder<string>;
  contains(text: Expression<string>, part: string): Expression<SqlBool>;
  /** The same of the name of a session, in the words of an index where there is one. */
  nameContains(part: string): Expression<SqlBool>;
  /** Where it is known that they are few, whatever the database believes. */
  isOneOfFew(id: Expression<string>, ids: Expression<unknown>): Expression<SqlBool>;
  /**
   * For the rest of a transaction: rows are read in the order of their index until there are enough, where statistics, which
   * know nothing of the last minutes, would have all of them sorted for each page.
   */
  readonly readInOrder?: (db: Kysely<Schema>) => Promise<void>;
  /** The texts of a JSON list, as a sub-select: a list of any length is one parameter. */
  textsOf(json: string): RawBuilder<string>;
  /** The objects of a JSON list as rows to select from, called `given`. */
  rowsOf(json: string, columns: Readonly<Record<string, 'text' | 'bigint'>>): RawBuilder<unknown>;
  /** A database that does not answer, and a key that refers to nothing, as faults; undefined: a defect of ours. */
  toFault(error: unknown): ServiceError | undefined;
  /** The transaction was undone for the sake of another one, with which it would have waited for ever. */
  readonly isDeadlock?: (error: unknown) => boolean;
  /** Within the migrating transaction, first: one process at a time, on a server that fits. */
  readonly beforeMigration?: (db: Kysely<Schema>) => Promise<void>;
  /** Repeats the migrating transaction until nobody has to wait behind it for long. The database is for looks at what it waits for. */
  readonly migrateInTurns?: (attempt: () => Promise<void>, db: Kysely<Schema>) => Promise<void>;
  readonly createRevision: (db: Kysely<unknown>) => Promise<void>;
  /** That keep what a tag has of its session equal to it. */
  readonly createTagTriggers: (db: Kysely<unknown>) => Promise<void>;
  /** For `nameContains`, where the database can have an index for it. */
  readonly indexNameParts?: (db: Kysely<unknown>) => Promise<void>;
  /** Where the database would try to compress what is gzip already. */
  readonly keepLogsAsTheyCome?: (db: Kysely<unknown>) => Promise<void>;
  /** No number comes twice, but for one that was taken back with its transaction where there is one writer. */
  readonly nextRevision: (db: Kysely<Schema>) => Promise<number>;
  /** After own commits, where others do not learn of them by themselves. */
  readonly announce?: (changes: readonly Change[]) => void;
  /** Calls back soon after others have committed. Returns how to stop. */
  readonly watch: (onChange: (change: Change) => void) => () => void;
  readonly pool?: () => PoolUse;
  /** Within a transaction: as `RetentionStore.shrink`, where the database does not look after its room by itself. */
  readonly shrink?: () => number;
  /** After the last commit. */
  readonly close?: () => Promise<void>;
}
