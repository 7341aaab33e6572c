import type { Session } from './session.js';

/** Who has cancelled a session, and why, as its workflow is told. */
export function toCancelRequest({
  cancelBy,
  cancelReason,
}: Pick<Session, 'cancelBy' | 'cancelReason'>): {
  readonly by?: string;
  readonly reason?: string;
} {
  return {
    ...(cancelBy === undefined ? {} : { by: cancelBy }),
    ...(cancelReason === undefined ? {} : { reason: cancelReason }),
  };
}
