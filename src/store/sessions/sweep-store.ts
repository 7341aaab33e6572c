import type { Session } from '../../core/session.js';
import type { Page, PageRequest } from '../database/page.js';

/** What the sweep reads and writes. Deleted sessions are included. */
export interface SweepStore {
  /**
   * Sessions that are not complete and that Temporal knows, in order of job ids; `afterId` is a job id. Only ids and names, so
   * that a record that cannot be read does not hide the others.
   */
  listUnfinished(page: PageRequest): Promise<Page<Pick<Session, 'jobId' | 'name'>>>;
  /** Complete sessions that have staged files or noted resources. If there are more than `limit`, a random choice. */
  listLeftovers(
    limit: number,
  ): Promise<readonly { readonly jobId: string; readonly name: string }[]>;
  /** Binds this deployment to a Temporal namespace, unless it is bound. Returns the one that it is bound to. */
  bindTemporal(namespaceId: string): Promise<string>;
  rebindTemporal(namespaceId: string): Promise<void>;
  /**
   * For a Temporal that may have lost what it was told last: cancels, admissions and ends of sessions are due once more. What it
   * knows already changes nothing there.
   */
  tellAgain(): Promise<void>;
  /** The time by the clock that all machines share: one whose clock is ahead must not take the others for silent. */
  clock(): Promise<string>;
  /**
   * Notes that the worker of a machine was alive at `at`, by `clock`. If no machine was seen for minutes, all count as seen,
   * because the database was away, or all of them were. One that was seen minutes later than `at`, before the clock was set back,
   * counts as seen at `at`.
   */
  seeMachine(machine: string, at: string): Promise<void>;
  /** Machine → when its worker was last seen. */
  listMachines(): Promise<ReadonlyMap<string, string>>;
  /** After a restore: no session that is incomplete now may launch a job any more. Returns the names of those that could. */
  attachOnly(): Promise<readonly string[]>;
}
