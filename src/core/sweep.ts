import type { Outcome, Session } from './session.js';

/** What Temporal says about a session's workflow. */
export type WorkflowState =
  | { readonly kind: 'running' }
  /** It ended by itself, with this outcome. */
  | { readonly kind: 'closed'; readonly outcome: Outcome }
  /** It was terminated, timed out, or does not exist (any more): nobody has ended the session. */
  | { readonly kind: 'gone' };

/** What the sweep does with a record that is not complete. */
export type SweepAct =
  | { readonly kind: 'none' }
  /** Copy the workflow's outcome, because its last write did not reach this database. */
  | { readonly kind: 'record'; readonly outcome: Outcome }
  /** Start the workflow again under the same id. Its claim finds out whether there is a job to attach to. */
  | { readonly kind: 'restart' };

/** Whether another machine may have the session: its own has launched nothing, and the record can keep it from doing so. */
export function isMovable({
  launchedAt,
  stoppedAt,
  attachOnly,
}: Pick<Session, 'launchedAt' | 'stoppedAt' | 'attachOnly'>): boolean {
  return launchedAt === undefined && stoppedAt === undefined && !attachOnly;
}

/**
 * `session` must be read after Temporal was asked about `workflow`, so that what ended in between is
 * already complete. A wish that Temporal has not acknowledged at all is left to the dispatch loop.
 */
export function decideSweep(
  workflow: WorkflowState,
  session: Pick<Session, 'state' | 'dispatched' | 'external'> | undefined,
): SweepAct {
  if (session === undefined || session.state === 'complete' || session.dispatched === 'none') {
    return { kind: 'none' };
  }
  // Temporal never hears of sessions that an external operator runs.
  if (session.external) return { kind: 'none' };
  switch (workflow.kind) {
    case 'running':
      return { kind: 'none' };
    case 'closed':
      return { kind: 'record', outcome: workflow.outcome };
    case 'gone':
      return { kind: 'restart' };
  }
}
