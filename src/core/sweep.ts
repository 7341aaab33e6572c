import type { Outcome, Session } from './session.js';

/** What Temporal says of a session's workflow, asked by its id. */
export type WorkflowState =
  | { readonly kind: 'running' }
  /** It ended by itself, and says how. */
  | { readonly kind: 'closed'; readonly outcome: Outcome }
  /** Terminated, timed out, or not known (any more): nobody ended the session. */
  | { readonly kind: 'gone' };

/** What the sweep does about one record that is not complete. */
export type SweepAct =
  | { readonly kind: 'none' }
  /** The workflow's own word, where its last write did not reach this database. */
  | { readonly kind: 'record'; readonly outcome: Outcome }
  /** Under the same id; the claim then finds out whether there is a job to attach to. */
  | { readonly kind: 'restart' };

/** Its machine has launched nothing, and the record can see to it that it never will. */
export function isMovable({
  launchedAt,
  stoppedAt,
  attachOnly,
}: Pick<Session, 'launchedAt' | 'stoppedAt' | 'attachOnly'>): boolean {
  return launchedAt === undefined && stoppedAt === undefined && !attachOnly;
}

/**
 * `session` must have been read after `workflow` was asked for: what ended in between is complete by then. A wish that
 * Temporal never had is the dispatch loop's.
 */
export function decideSweep(
  workflow: WorkflowState,
  session: Pick<Session, 'state' | 'dispatched' | 'external'> | undefined,
): SweepAct {
  if (session === undefined || session.state === 'complete' || session.dispatched === 'none') {
    return { kind: 'none' };
  }
  // Temporal never has those of an operator outside.
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
