/** Each call is one short transaction, to be repeated until nothing is left to do. */
export interface RetentionStore {
  /** Hides some of the complete sessions that ended by then, as a delete at `at` does. Returns how many; 0: none is left. */
  expireSessions(endedUntil: string, at: string): Promise<number>;
  /** Removes some of what is stored of sessions that had ended and were deleted by then. Returns the rows; 0: none is left. */
  removeDeleted(until: string): Promise<number>;
  /** The size of all logs, compressed. */
  logStoreBytes(): Promise<number>;
  /** Removes some of the log of the complete session that ended first; a line with the reason stays. False: none has a log. */
  removeOldestLog(reason: string): Promise<boolean>;
  /** Gives back some of the disk space that removed rows have left, where it is much. Returns the bytes; 0: it is not much. */
  shrink(): Promise<number>;
}
