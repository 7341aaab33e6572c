/** Each call is one short transaction, to be repeated until nothing is left to do. */
export interface RetentionStore {
  /** Deletes, at `at`, some of the complete sessions that ended by `endedUntil`. Returns how many; 0 if none is left. */
  expireSessions(endedUntil: string, at: string): Promise<number>;
  /** Removes some rows of sessions that had ended and were deleted by `until`. Returns how many; 0 if none is left. */
  removeDeleted(until: string): Promise<number>;
  /** The compressed size of all logs. */
  logStoreBytes(): Promise<number>;
  /** Removes some log of the complete session that ended first; a line with the reason stays. False if none has a log. */
  removeOldestLog(reason: string): Promise<boolean>;
  /** Gives back some of the disk space of removed rows, if there is much of it. Returns the bytes; 0 if there is not much. */
  shrink(): Promise<number>;
}
