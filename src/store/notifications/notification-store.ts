import type { Succeeded } from '../../core/session.js';
import type { PageRequest } from '../database/page.js';

/**
 * Which ends of sessions webhooks are still to be told. An end is noted in the transaction that makes it, whoever makes it, and
 * the record is kept until all have been told or given up.
 */
export interface NotificationStore {
  /** From now on ends are noted. Those before are told to nobody. False: they were noted already. */
  turnOn(): Promise<boolean>;
  /** From now on none is noted. Returns how many that were noted nobody is told of any more. */
  turnOff(): Promise<number>;
  /** Ends that Temporal has not been given, by job id; `afterId` is one. */
  listDue(page: PageRequest): Promise<readonly DueNotification[]>;
  recordHandedOver(jobIds: readonly string[], at: string): Promise<void>;
  /** They are told, or given up. A repeat changes nothing. */
  remove(jobIds: readonly string[]): Promise<void>;
  /** Removes those that were handed over by then, which nothing tells any more. Returns how many. */
  forget(handedUntil: string): Promise<number>;
  /** How many are not told yet. */
  count(): Promise<number>;
}

export interface DueNotification {
  readonly jobId: string;
  readonly name: string;
  readonly succeeded: Succeeded;
}
