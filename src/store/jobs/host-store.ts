import type { HostResult } from '../../core/job.js';
import type { HostTotals } from '../../core/notification.js';
import type { HostSummary } from '../../core/outcome.js';
import type { Page, PageRequest } from '../database/page.js';

export interface HostStore {
  /**
   * Stores results; a host's result is replaced only by one of a higher sequence. Results of a rerun remove those of the
   * runs before, which are not taken any more then. The first final results make the phase
   * final. In that transaction, and no other, they become the state of components, if the plan says so. Throws fault `gone`
   * if the phase is sealed.
   */
  save(jobId: string, phase: string, results: HostResults): Promise<void>;
  /** In order of phases and hosts. `afterId` is the `<phase>/<host>` of the last item. */
  list(jobId: string, page: PageRequest & { readonly phase?: string }): Promise<Page<HostResult>>;
  /** Results that came after that cursor, in order of sequences and hosts. */
  changes(jobId: string, phase: string, after: HostCursor, limit: number): Promise<HostChanges>;
  summarize(jobId: string, phase: string): Promise<HostSummary>;
  /** Over all phases. */
  total(jobId: string): Promise<HostTotals>;
  /** The first results that failed or were unreachable, in order of phases and hosts. */
  listFailed(jobId: string, limit: number): Promise<readonly HostResult[]>;
}

export interface HostResults {
  readonly sequence: number;
  readonly final: boolean;
  /** With `final`: the time at which the results of the phase become the state of components. */
  readonly recordedAt?: string;
  /** With `recordedAt`: no host counts as having the layer, because the files were not those of the recorded commit. */
  readonly incompleteState?: true;
  /** With `final`: Ansible did not break off, so each host that did not fail came to the end of the playbook. */
  readonly whole?: boolean;
  /** Set if the command was run again. Its results take the place of all earlier ones. */
  readonly rerun?: RerunReport;
  readonly hosts: readonly Omit<HostResult, 'phase'>[];
}

export interface RerunReport {
  /** Counts the further runs of a phase from 1. */
  readonly count: number;
  /** Whether the run uses other files than those of the recorded commit. */
  readonly filesChanged: boolean;
  /** Results of lower sequences are of an earlier run. */
  readonly firstSequence: number;
}

/** How far the results of a phase were read: all of lower sequences, and those of this one up to the host. */
export interface HostCursor {
  readonly sequence: number;
  /** Absent: all of this sequence. */
  readonly host?: string;
}

export interface HostChanges extends Page<HostResult> {
  /** The cursor of the last item. Absent if there is no item. */
  readonly end?: Required<HostCursor>;
}
