import type { Kind, WireRecord } from './records.js';

/** Where records are: a CFS, reached by its v3 API, or the database of this service. */
export interface RecordStore {
  /** For messages. */
  readonly name: string;
  /** Page by page, as the v3 API shows them; options are one record. */
  read(kind: Kind, signal: AbortSignal): AsyncIterable<readonly WireRecord[]>;
  /** Creates or replaces; each record by itself, so that one that is refused keeps no other out. */
  write(kind: Kind, records: readonly WireRecord[], signal: AbortSignal): Promise<Written>;
  /** What `write` would answer, as far as it can be told without writing. */
  check(kind: Kind, records: readonly WireRecord[], signal: AbortSignal): Promise<Written>;
}

export interface Written {
  readonly refused: readonly Refusal[];
  /** Taken, but not to the letter. */
  readonly notes: readonly Refusal[];
}

export interface Refusal {
  readonly key: string;
  readonly why: string;
}
