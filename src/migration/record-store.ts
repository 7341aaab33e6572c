import type { Kind, WireRecord } from './records.js';

/** Where records are: a CFS, reached through its v3 API, or the database of this service. */
export interface RecordStore {
  /** For messages. */
  readonly name: string;
  /** Page by page, as the v3 API shows them. Each option is a record. */
  read(kind: Kind, signal: AbortSignal): AsyncIterable<readonly WireRecord[]>;
  /** Creates or replaces each record separately, so that one that is refused does not keep the others out. */
  write(kind: Kind, records: readonly WireRecord[], signal: AbortSignal): Promise<Written>;
  /** What `write` would return, as far as can be told without writing. */
  check(kind: Kind, records: readonly WireRecord[], signal: AbortSignal): Promise<Written>;
}

export interface Written {
  readonly refused: readonly Refusal[];
  /** Records that were taken, but not exactly as they are. */
  readonly notes: readonly Refusal[];
}

export interface Refusal {
  readonly key: string;
  readonly why: string;
}
