import type { Dialect, Expression, SqlBool } from 'kysely';
import type { ColumnDataType, RawBuilder } from 'kysely';
import type { ServiceError } from '../core/errors.js';

/** All in which the databases differ. */
export interface StoreDialect {
  /** The one connection, or the pool, for transactions. */
  readonly writer: Dialect;
  /** For single reads, so that they never wait for a transaction. */
  readonly reader: Dialect;
  readonly types: {
    /** Compares by code point. */
    readonly text: RawBuilder<unknown>;
    readonly bytes: ColumnDataType;
  };
  /** Whether transactions come one after the other anyway, so that those which wait may share a commit. */
  readonly hasOneWriter: boolean;
  /** Whether a queue is read with `for update skip locked`; a database with one writer needs none. */
  readonly skipsLocked: boolean;
  contains(text: Expression<string>, part: string): Expression<SqlBool>;
  /** A database that does not answer, and a key that refers to nothing, as faults; undefined: a defect of ours. */
  toFault(error: unknown): ServiceError | undefined;
  /** Calls back soon after others have committed. Returns how to stop. */
  readonly watch: (onChange: () => void) => () => void;
}
