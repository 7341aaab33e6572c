import type { BatchResult, CauseRecord } from '../../core/backoff-cause.js';
import type { Batch, BatcherStatus, BatchState } from '../../core/batch.js';
import type { Reason } from '../../core/errors.js';
import type { Session } from '../../core/session.js';
import type { Page, PageRequest } from '../database/page.js';

/** The state of the batcher, so that any worker may continue. Every method is one transaction. */
export interface BatchStore {
  /** In order of ids, which says nothing about their order in time. */
  list(page: PageRequest & { readonly state?: BatchState }): Promise<Page<Batch>>;
  /** Components of batches that are not finished, in order of ids, by batch. */
  members(batchIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Absent before the first cycle. */
  status(): Promise<BatcherStatus | undefined>;
  noteCycle(status: BatcherStatus): Promise<void>;
  /** Causes that have failed since their last success. */
  causes(): Promise<readonly CauseRecord[]>;
  /**
   * Puts a page of the components that are enabled, pending and in no batch into open batches of their kind, or into new
   * ones. Those whose ids are not names of hosts are left out. With `lastId` there may be more components after it.
   */
  collect(request: {
    readonly at: string;
    readonly batchSize: number;
    readonly page: PageRequest;
  }): Promise<{
    readonly collected: number;
    readonly leftOut: readonly string[];
    readonly lastId?: string;
  }>;
  /**
   * Open batches that are full or were opened by `openedUntil`, oldest first. Those that were opened later than `now` have seen
   * the clock set back, and do not wait until it has caught up.
   */
  listDue(due: {
    readonly batchSize: number;
    readonly openedUntil: string;
    readonly now: string;
  }): Promise<readonly Batch[]>;
  /**
   * Creates the sessions of open batches and marks the batches as sent in the same transaction, so that each session is
   * created once, however many workers try. Components that do not belong to their batch any more are left out, and so are
   * those beyond `batchSize`, which may have been larger when they were collected, or beyond what one limit can name.
   */
  send(
    ids: readonly string[],
    limits: { readonly at: string; readonly batchSize: number },
  ): Promise<Sending>;
  listSent(limit: number, afterId?: string): Promise<Page<SentBatch>>;
  /**
   * Frees the components of batches. On those whose desired layers are the same as when the batch was sent, records what
   * Ansible did not report: after a success, pending layers are skipped; after a failure of the configuration that no host
   * has reported, the first pending layer has failed, unless that was for a git server. Returns the ids of the batches that
   * this call ended; others were ended before.
   */
  finish(
    ends: readonly EndedBatch[],
    limits: { readonly now: string; readonly maxSeconds: number },
  ): Promise<readonly string[]>;
  /** A session of another batcher that has not ended or was created then. Names that begin with `prefix` are our own. */
  findOutside(
    prefix: string,
    created: { readonly since: string; readonly until: string },
  ): Promise<string | undefined>;
  removeFinished(until: string): Promise<void>;
}

/** By batch id. A batch in neither map was sent before, or no component is left in it. */
export interface Sending {
  /** The name of the session, and the number of its components. */
  readonly sent: ReadonlyMap<string, { readonly session: string; readonly size: number }>;
  /** The name, which another session has, so the batch is finished and its components are free. */
  readonly refused: ReadonlyMap<string, string>;
}

export interface EndedBatch {
  readonly id: string;
  readonly result: BatchResult;
  readonly reason?: Reason;
}

export interface SentBatch {
  readonly batch: Batch;
  /** May be deleted. Absent if not even its row is left. */
  readonly session?: Session;
}
