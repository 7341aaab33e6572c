import type { Session } from '../../core/session.js';
import type { Page, PageRequest } from '../database/page.js';

/** What the sweep asks. It sees sessions that are deleted, too. */
export interface SweepStore {
  /** Sessions that are not complete and that Temporal knows, by job id; `afterId` is one. */
  listUnfinished(page: PageRequest): Promise<Page<Session>>;
  /** Complete sessions with staged files or noted resources; of more than `limit` some, each time others. */
  listLeftovers(
    limit: number,
  ): Promise<readonly { readonly jobId: string; readonly name: string }[]>;
  /** The id of the Temporal namespace that this deployment belongs to: the first that was told, until it is rebound. */
  bindTemporal(namespaceId: string): Promise<string>;
  rebindTemporal(namespaceId: string): Promise<void>;
  /** The time of the one clock that all machines share: a machine that is hours ahead must not take the others for silent. */
  clock(): Promise<string>;
  /**
   * Notes that the worker of a machine lived at that time, by `clock`. Where no machine was heard of for minutes, all count as
   * seen: the database was away, or all of them were.
   */
  seeMachine(machine: string, at: string): Promise<void>;
  /** Machine → when its worker counts as last seen. */
  listMachines(): Promise<ReadonlyMap<string, string>>;
  /** After a restore: from now on no session that is not complete may launch a job. Returns the names of those that could. */
  attachOnly(): Promise<readonly string[]>;
}
