import type { BatchResult, CauseRecord } from '../../core/backoff-cause.js';
import type { Batch, BatcherStatus, BatchState } from '../../core/batch.js';
import type { Reason } from '../../core/errors.js';
import type { Session } from '../../core/session.js';
import type { Page, PageRequest } from '../database/page.js';

/** What the batcher knows, so that any worker may go on from there. Every method is one transaction. */
export interface BatchStore {
  /** By id, which says nothing of their order in time. */
  list(page: PageRequest & { readonly state?: BatchState }): Promise<Page<Batch>>;
  /** Components of batches that are not finished, by batch and id. */
  members(batchIds: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Absent before the first cycle. */
  status(): Promise<BatcherStatus | undefined>;
  noteCycle(status: BatcherStatus): Promise<void>;
  /** Causes that have failed since their last success. */
  causes(): Promise<readonly CauseRecord[]>;
  /**
   * Puts a page of the components that are enabled, pending and in no batch into open batches of their kind, or into new
   * ones. `lastId`: there may be more behind it.
   */
  collect(request: {
    readonly at: string;
    readonly batchSize: number;
    readonly page: PageRequest;
  }): Promise<{ readonly collected: number; readonly lastId?: string }>;
  /** Open batches that are full, or were opened by then; the oldest first. */
  listDue(due: {
    readonly batchSize: number;
    readonly openedUntil: string;
  }): Promise<readonly Batch[]>;
  /**
   * Makes the sessions of open batches, and marks the batches as sent in the same transaction, so that each session is made
   * once, however many try. Components that do not belong to them any more are left out.
   */
  send(ids: readonly string[], at: string): Promise<Sending>;
  listSent(limit: number, afterId?: string): Promise<Page<SentBatch>>;
  /**
   * Frees the components of batches, and records on those whose desired layers are the same as when they were sent what Ansible
   * has not: after a success the layers that are pending are skipped; after a failure of the configuration that no host has
   * reported the first one has failed. Returns the ids of those that it has ended; somebody else has ended the others.
   */
  finish(
    ends: readonly EndedBatch[],
    limits: { readonly now: string; readonly maxSeconds: number },
  ): Promise<readonly string[]>;
  /** A session of another batcher that has not ended, or was made since; `prefix` begins the names of ours. */
  findOutside(prefix: string, since: string): Promise<string | undefined>;
  removeFinished(until: string): Promise<void>;
}

/** Names of sessions by batch. One that is in neither was sent already, or nothing is left of it. */
export interface Sending {
  readonly sent: ReadonlyMap<string, string>;
  /** Another session has that name: the batch is finished, and its components are free. */
  readonly refused: ReadonlyMap<string, string>;
}

export interface EndedBatch {
  readonly id: string;
  readonly result: BatchResult;
  readonly reason?: Reason;
}

export interface SentBatch {
  readonly batch: Batch;
  /** Deleted ones too; absent: not even its row is left. */
  readonly session?: Session;
}
