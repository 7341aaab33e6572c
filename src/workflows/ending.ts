import { ApplicationFailure, CancelledFailure } from '@temporalio/workflow';
import type { RecordedOutcome } from '../activities/index.js';
import type { StepFailure } from '../core/step-failure.js';
import type { Cancellation } from './cancellation.js';
import type { SessionResult } from './messages.js';

/** The failure to put on the record. None if only a cancel ended the step, because the record has the cancel already. */
export function describeFailure(
  failure: StepFailure | undefined,
  cancellation: Cancellation,
): { readonly failure?: StepFailure } {
  if (failure === undefined) return {};
  const isCancel = cancellation.request() !== undefined && failure.reason === undefined;
  return isCancel ? {} : { failure };
}

/**
 * How the workflow closes. A success, or a cancel by our signal, completes it; Temporal's own cancel ends
 * it as Canceled; anything else fails it, with the reason as the failure type.
 */
export function conclude(outcome: RecordedOutcome, cancellation: Cancellation): SessionResult {
  const { reason, message, artifacts } = outcome;
  const told = {
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
    ...(artifacts === undefined ? {} : { artifacts }),
  };
  if (outcome.succeeded === 'true') return { outcome: 'succeeded', ...told };
  if (reason === 'CANCELLED') {
    if (cancellation.isNative()) throw new CancelledFailure(message ?? 'cancelled');
    return { outcome: 'cancelled', ...told };
  }
  throw ApplicationFailure.nonRetryable(
    message ?? 'The session did not succeed.',
    reason ?? 'INTERNAL',
  );
}
