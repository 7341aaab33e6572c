import type { Reason } from './errors.js';

/** Why a step ended the session. `reason` is absent if the step did not fail by itself but was cancelled. */
export interface StepFailure {
  readonly reason?: Reason;
  readonly message: string;
  /** The database has lost what an earlier step has stored. */
  readonly isSetBack?: true;
}

/**
 * Reads an error that crossed Temporal. Each border wraps the cause once more, so the innermost cause with a reason counts. The
 * reason travels as `details[0].reason` of an application failure (see activities/failure.ts). Takes anything, never throws.
 */
export function toStepFailure(error: unknown): StepFailure {
  const chain = unwrap(error);
  const named = chain.findLast((cause) => readDetails(cause).reason !== undefined);
  const { reason, isSetBack } = readDetails(named);
  if (reason !== undefined)
    return { reason, message: readMessage(named), ...(isSetBack === true ? { isSetBack } : {}) };
  if (chain.some((cause) => readName(cause) === 'CancelledFailure'))
    return { message: 'cancelled' };
  return { reason: 'INTERNAL', message: readMessage(chain.at(-1)) };
}

function unwrap(error: unknown): readonly unknown[] {
  const chain: unknown[] = [];
  for (let cause = error; cause !== undefined && cause !== null && chain.length < 20;) {
    chain.push(cause);
    cause = typeof cause === 'object' && 'cause' in cause ? cause.cause : undefined;
  }
  return chain;
}

/** Written by our own interceptor, which takes them from a ServiceError. */
function readDetails(cause: unknown): Partial<Pick<StepFailure, 'reason' | 'isSetBack'>> {
  if (typeof cause !== 'object' || cause === null || !('details' in cause)) return {};
  const first: unknown = Array.isArray(cause.details) ? cause.details[0] : undefined;
  if (typeof first !== 'object' || first === null || !('reason' in first)) return {};
  if (typeof first.reason !== 'string') return {};
  return {
    reason: first.reason as Reason,
    ...('isSetBack' in first && first.isSetBack === true ? { isSetBack: true } : {}),
  };
}

function readMessage(cause: unknown): string {
  return typeof cause === 'object' && cause !== null && 'message' in cause
    ? String(cause.message)
    : String(cause);
}

function readName(cause: unknown): string {
  return typeof cause === 'object' && cause !== null && 'name' in cause ? String(cause.name) : '';
}
