export interface LogStore {
  /**
   * Stores bytes from `offset` on as one gzip chunk, and skips what is stored already. In a sealed phase the result is
   * `stored` only if the same bytes are. Throws fault `missing` if there is no such phase. `gzip` has the same bytes, if they
   * came compressed.
   */
  append(
    jobId: string,
    phase: string,
    offset: number,
    bytes: Uint8Array,
    gzip?: Uint8Array,
  ): Promise<AppendResult>;
  /**
   * Adds a line of the worker's at the current end; several may write at once. False if the log was handed over. Throws fault
   * `gone` if the phase is sealed.
   */
  appendLine(jobId: string, phase: string, line: string): Promise<boolean>;
  /**
   * Hands the log over to the job, once: its content becomes the staged file `<phase>-notes`, which the job prints first.
   * From then on only the job writes.
   */
  handOver(jobId: string, phase: string): Promise<void>;
  /**
   * Records that the platform lost what belongs at the end of the log. Readers see a line that says so in its place. A gap
   * that is recorded again before anything was appended is the same one, and its first line stays.
   */
  recordGap(jobId: string, phase: string, message: string): Promise<void>;
  /** The last gap of the phase. */
  findGap(jobId: string, phase: string): Promise<RecordedGap | undefined>;
  /** The bytes that are stored now, from `offset` on, chunk by chunk. */
  read(jobId: string, phase: string, offset: number): AsyncIterable<Uint8Array>;
  /** The last bytes: at most `limit` of them. */
  tail(jobId: string, phase: string, limit: number): Promise<Uint8Array>;
}

export type AppendResult =
  | { readonly kind: 'stored'; readonly end: number }
  /** The offset lies beyond the end. */
  | { readonly kind: 'mismatch'; readonly expected: number }
  | { readonly kind: 'sealed' };

export interface RecordedGap {
  /** How many bytes were stored before it. */
  readonly offset: number;
  /** How many bytes were stored after the line that tells of it. */
  readonly bytesSince: number;
}
