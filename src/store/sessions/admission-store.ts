import type { Session } from '../../core/session.js';

/** Places for running sessions (`max_running_sessions`) and locks on hosts (`host_locks`): first come, first served. */
export interface AdmissionStore {
  /**
   * Gives free hosts and places to the sessions that have waited longest, and returns those that may go now. The end of a
   * session does so by itself.
   */
  admit(at: string): Promise<readonly Admitted[]>;
  /** What `admit` would return. Changes nothing. */
  listAdmissible(at: string): Promise<readonly Admitted[]>;
  /**
   * Asks for hosts that the session is to have to itself. If another session has one of them, or asked for it earlier, this
   * session gives back its place, `waitsFor` names the other one, and it is admitted again when the last of them has ended. A
   * repeat keeps its turn. Returns the resulting record.
   */
  requestHosts(jobId: string, request: HostRequest): Promise<Session>;
  /** Job id → place in the queue, counted from 1; only of those of these sessions that are in the queue. */
  places(jobIds: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** The same of all sessions in the queue. */
  allPlaces(): Promise<ReadonlyMap<string, number>>;
  countQueued(): Promise<number>;
  /** The number of sessions that wait for hosts. */
  countBehind(): Promise<number>;
}

export type Admitted = Pick<Session, 'jobId' | 'name'>;

export interface HostRequest {
  readonly hosts: readonly string[];
  readonly at: string;
  /** When the wait began, if the session has to wait. */
  readonly since: string;
}
