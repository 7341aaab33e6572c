import type { Succeeded } from '../../core/session.js';
import type { PageRequest } from '../database/page.js';

/**
 * The ends of sessions that webhooks are still to be told. A trigger notes each end in the transaction that completes the
 * session. The record is kept until every webhook has been told or given up.
 */
export interface NotificationStore {
  /** From now on ends are noted; earlier ones are told to nobody. False if they were noted already. */
  turnOn(): Promise<boolean>;
  /** From now on no end is noted. Returns how many noted ones are dropped untold. */
  turnOff(): Promise<number>;
  /** Ends that were not handed over to Temporal, in order of job ids; `afterId` is a job id. */
  listDue(page: PageRequest): Promise<readonly DueNotification[]>;
  /**
   * Ends that were handed over in this time and are not told yet. If there are more than `limit`, a random choice, so that each
   * has its turn.
   */
  listUntold(handed: {
    /** Default: ever. */
    readonly from?: string;
    readonly until: string;
    readonly limit: number;
  }): Promise<readonly DueNotification[]>;
  recordHandedOver(jobIds: readonly string[], at: string): Promise<void>;
  /** Removes ends that were told or given up. A repeat changes nothing. */
  remove(jobIds: readonly string[]): Promise<void>;
  /** The number of ends that are not told yet. */
  count(): Promise<number>;
}

export interface DueNotification {
  readonly jobId: string;
  readonly name: string;
  readonly succeeded: Succeeded;
}
