import type { HostResult } from '../../core/job.js';
import type { HostTotals } from '../../core/notification.js';
import type { HostSummary } from '../../core/outcome.js';
import type { Page, PageRequest } from '../database/page.js';

export interface HostStore {
  /**
   * Stores results; those of a host give way only to a higher sequence. The first that are final make all of the phase final. In
   * that transaction, and in no other, they become the state of components, where the plan says so. A phase that is sealed is
   * fault `gone`.
   */
  save(jobId: string, phase: string, results: HostResults): Promise<void>;
  /** By phase and host. `afterId` is the `<phase>/<host>` of the last one. */
  list(jobId: string, page: PageRequest & { readonly phase?: string }): Promise<Page<HostResult>>;
  /** What came after that place, by sequence and host. */
  changes(jobId: string, phase: string, after: HostCursor, limit: number): Promise<HostChanges>;
  summarize(jobId: string, phase: string): Promise<HostSummary>;
  /** Of all phases. */
  total(jobId: string): Promise<HostTotals>;
  /** The first that failed or could not be reached, by phase and host. */
  listFailed(jobId: string, limit: number): Promise<readonly HostResult[]>;
}

export interface HostResults {
  readonly sequence: number;
  readonly final: boolean;
  /** With `final`: the time at which the results of the phase become the state of components. */
  readonly recordedAt?: string;
  /** With `final`: Ansible broke nothing off, so that whoever did not fail came to the end of the playbook. */
  readonly whole?: boolean;
  readonly hosts: readonly Omit<HostResult, 'phase'>[];
}

/** How far the results of a phase were read: all of smaller sequences, and those of this one up to the host. */
export interface HostCursor {
  readonly sequence: number;
  /** Absent: all of this sequence. */
  readonly host?: string;
}

export interface HostChanges extends Page<HostResult> {
  /** The place of the last item. Absent where there is none. */
  readonly end?: Required<HostCursor>;
}
