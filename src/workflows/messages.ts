import { defineSearchAttributeKey } from '@temporalio/common';
import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { Reason } from '../core/errors.js';
import type { Progress } from '../core/progress.js';
import type { Artifact } from '../core/session.js';

export interface SessionInput {
  readonly jobId: string;
}

export interface SessionResult {
  readonly outcome: 'succeeded' | 'cancelled';
  readonly reason?: Reason;
  readonly message?: string;
  /** The images that were made, for a database that is restored from a backup. */
  readonly artifacts?: readonly Artifact[];
}

export interface CancelRequest {
  readonly reason?: string;
  readonly by?: string;
}

export interface SessionStatus {
  readonly jobId: string;
  readonly progress: Progress;
  readonly cancel?: CancelRequest;
}

/** Stops the session, which ends as `cancelled` unless every phase has already succeeded. */
export const cancelSignal = defineSignal<[CancelRequest?]>('cancel');

/** Sent by the dispatch loop: the session has its place and its hosts, and may go on. */
export const admittedSignal = defineSignal('admitted');

/** Sent by a step: what it waits for. An empty text means that it no longer waits. */
export const waitingSignal = defineSignal<[string]>('waiting');

/** Sent by the sweep when the job's machine is lost: why nobody can ever know how the job ended. */
export const jobLostSignal = defineSignal<[string]>('jobLost');

/** For debugging; the API answers from the database. */
export const statusQuery = defineQuery<SessionStatus>('status');

/** All of type Keyword. Every process registers them at its start. */
export const searchAttributes = {
  name: defineSearchAttributeKey('SessionName', 'KEYWORD'),
  status: defineSearchAttributeKey('SessionStatus', 'KEYWORD'),
  phase: defineSearchAttributeKey('SessionPhase', 'KEYWORD'),
  configuration: defineSearchAttributeKey('SessionConfiguration', 'KEYWORD'),
} as const;
