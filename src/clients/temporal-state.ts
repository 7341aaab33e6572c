import {
  ApplicationFailure,
  CancelledFailure,
  WorkflowFailedError,
  WorkflowNotFoundError,
  type Client,
  type WorkflowExecutionStatusName,
} from '@temporalio/client';
import { REASONS, type Reason } from '../core/errors.js';
import type { Outcome } from '../core/session.js';
import type { WorkflowState } from '../core/sweep.js';
import type { SessionResult } from '../workflows/messages.js';

const CLOSED: ReadonlySet<WorkflowExecutionStatusName> = new Set([
  'COMPLETED',
  'FAILED',
  'CANCELLED',
]);
/** Ends that come from outside: no code of the workflow runs. */
const ENDED: ReadonlySet<WorkflowExecutionStatusName> = new Set(['TERMINATED', 'TIMED_OUT']);

/** Reads the result, too, if the workflow has ended by itself. It is in the history, so a deleted run is `gone`. */
export async function describeWorkflow(client: Client, jobId: string): Promise<WorkflowState> {
  const handle = client.workflow.getHandle(jobId);
  try {
    const { status } = await handle.describe();
    if (CLOSED.has(status.name))
      return { kind: 'closed', outcome: await readOutcome(handle.result()) };
    return { kind: ENDED.has(status.name) ? 'gone' : 'running' };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { kind: 'gone' };
    throw error;
  }
}

async function readOutcome(ended: Promise<unknown>): Promise<Outcome> {
  try {
    const { outcome, reason, message } = (await ended) as SessionResult;
    const told = {
      ...(reason === undefined ? {} : { reason }),
      ...(message === undefined ? {} : { message }),
    };
    return { succeeded: outcome === 'succeeded' ? 'true' : 'false', ...told };
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    return toFailedOutcome(error.cause);
  }
}

/** The failure's type is the session's reason; the workflow's `conclude` sets it. */
function toFailedOutcome(cause: unknown): Outcome {
  const message = cause instanceof Error ? cause.message : undefined;
  const told = message === undefined ? {} : { message };
  if (cause instanceof CancelledFailure)
    return { succeeded: 'false', reason: 'CANCELLED', ...told };
  const type = cause instanceof ApplicationFailure ? cause.type : undefined;
  const reason: Reason = REASONS.find((word) => word === type) ?? 'INTERNAL';
  return { succeeded: reason === 'JOB_LOST' ? 'unknown' : 'false', reason, ...told };
}
