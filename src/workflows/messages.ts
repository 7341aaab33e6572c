import { defineSearchAttributeKey } from '@temporalio/common';
import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { Reason } from '../core/errors.js';
import type { Progress } from '../core/progress.js';

export interface SessionInput {
  readonly jobId: string;
}

export interface SessionResult {
  readonly outcome: 'succeeded' | 'cancelled';
  readonly reason?: Reason;
  readonly message?: string;
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

/** Stops the session; it ends as `cancelled` unless every phase had ended well already. */
export const cancelSignal = defineSignal<[CancelRequest?]>('cancel');

/** Sent by the dispatch loop: the session has a place and may go on. */
export const admittedSignal = defineSignal('admitted');

/** Sent by a step: what it waits for. With an empty text it goes on. */
export const waitingSignal = defineSignal<[string]>('waiting');

/** Sent by the sweep: why nobody can ever say how the job ended. */
export const jobLostSignal = defineSignal<[string]>('jobLost');

/** For debugging; the API answers from the database. */
export const statusQuery = defineQuery<SessionStatus>('status');

/** Type of each: Keyword. Registered by every process at its start. */
export const searchAttributes = {
  name: defineSearchAttributeKey('SessionName', 'KEYWORD'),
  status: defineSearchAttributeKey('SessionStatus', 'KEYWORD'),
  phase: defineSearchAttributeKey('SessionPhase', 'KEYWORD'),
  configuration: defineSearchAttributeKey('SessionConfiguration', 'KEYWORD'),
} as const;
