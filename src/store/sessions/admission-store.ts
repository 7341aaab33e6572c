import type { Session } from '../../core/session.js';

/** Places for running sessions, and the hosts of each for itself: first come, first served. */
export interface AdmissionStore {
  /** Gives hosts and places that are free to the first that wait. Every end of a session does that by itself. */
  admit(at: string): Promise<void>;
  /**
   * Asks for hosts that no other session may have meanwhile. Where one has them, or has asked before, the session gives its place
   * back, `waitsFor` names that one, and it is admitted anew when the last of them has ended. A repeat keeps its turn. Returns
   * the record as it then is.
   */
  requestHosts(jobId: string, request: HostRequest): Promise<Session>;
  /** Job id → place in the queue, counted from 1. */
  places(): Promise<ReadonlyMap<string, number>>;
  countQueued(): Promise<number>;
  /** How many wait for hosts. */
  countBehind(): Promise<number>;
}

export interface HostRequest {
  readonly hosts: readonly string[];
  readonly at: string;
  /** Since when the session waits, if it has to. */
  readonly since: string;
}
