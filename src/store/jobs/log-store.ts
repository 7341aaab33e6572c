export interface LogStore {
  /**
   * Stores bytes from `offset` on, as one gzip chunk. What lies before the end is skipped. In a phase that is sealed only a
   * repeat of what is stored counts as `stored`. No such phase is fault `missing`. `gzip` has the same bytes where they came
   * compressed.
   */
  append(
    jobId: string,
    phase: string,
    offset: number,
    bytes: Uint8Array,
    gzip?: Uint8Array,
  ): Promise<AppendResult>;
  /**
   * Adds a line of the worker's at the end, wherever that is by then; several may write at once. False: the log was handed over.
   * A phase that is sealed is fault `gone`.
   */
  appendLine(jobId: string, phase: string, line: string): Promise<boolean>;
  /**
   * Hands the log to the job, once: what it holds becomes the staged file `<phase>-notes`, which the job prints first, and from
   * then on only the job writes.
   */
  handOver(jobId: string, phase: string): Promise<void>;
  /**
   * Records that the platform lost what belongs at the end of the log. Readers see a line that says so in its place. A gap that
   * is recorded again before anything was appended is the same one, and its first line stays.
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
