import type { Artifact, KnownEnd, Outcome, Session } from './session.js';

/** What Temporal says about a session's workflow. */
export type WorkflowState =
  | RunningWorkflow
  /** This run ended by itself, with this outcome. */
  | ({ readonly kind: 'closed' } & KnownEnd)
  /** It was terminated, timed out, found no record, or does not exist (any more): nobody has ended the session. */
  | { readonly kind: 'gone' };

export interface RunningWorkflow {
  readonly kind: 'running';
  readonly runId: string;
  /** Whether something has happened to which it has not reacted yet. */
  readonly hasTask: boolean;
  /** The activities that have not ended. */
  readonly activities: readonly PendingActivity[];
  readonly startedAt: string;
  /** Set if its code has failed several times in a row. Temporal repeats it for ever. */
  readonly failing?: FailingWorkflow;
}

export interface FailingWorkflow {
  readonly attempts: number;
  readonly why: string;
  /** Whether no attempt has come to an end, which may be for want of processor time: a new run would not help. */
  readonly isTimeout: boolean;
}

export interface PendingActivity {
  readonly type: string;
  readonly isCancelled: boolean;
}

/** What the sweep does with a record that is not complete. */
export type SweepAct =
  | { readonly kind: 'none' }
  /**
   * The workflow's last writes did not reach this database. Note its outcome, and start it again: it fetches from the job what
   * the record lacks, such as log and results, launches nothing, and ends with that outcome.
   */
  | ({ readonly kind: 'complete' } & KnownEnd)
  /** Copy the workflow's outcome, because nobody can fetch more. */
  | { readonly kind: 'record'; readonly outcome: Outcome; readonly artifacts: readonly Artifact[] }
  /** Start the workflow again under the same id. Its claim finds out whether there is a job to attach to. */
  | { readonly kind: 'restart' }
  /** The same, after ending the one that runs: it can never go on. */
  | { readonly kind: 'replace'; readonly runId: string; readonly why: string }
  /** Tell the workflow again of what Temporal has acknowledged and then lost. */
  | { readonly kind: 'tell'; readonly what: 'cancel' | 'admission' };

/** Whether another machine may have the session: its own has launched nothing, and the record can keep it from doing so. */
export function isMovable({
  launchedAt,
  stoppedAt,
  attachOnly,
}: Pick<Session, 'launchedAt' | 'stoppedAt' | 'attachOnly'>): boolean {
  return launchedAt === undefined && stoppedAt === undefined && !attachOnly;
}

type SweptSession = Pick<
  Session,
  | 'state'
  | 'external'
  | 'desired'
  | 'dispatched'
  | 'queuedAt'
  | 'admittedAt'
  | 'admissionDue'
  | 'waitsFor'
  | 'stoppedAt'
  | 'knownEnd'
> & { readonly request: Pick<Session['request'], 'target'> };

/**
 * `session` must be read after Temporal was asked about `workflow`, so that what ended in between is
 * already complete. A wish that Temporal has not acknowledged at all is left to the dispatch loop.
 */
export function decideSweep(
  workflow: WorkflowState,
  session: SweptSession | undefined,
  now: string,
): SweepAct {
  if (session === undefined || session.state === 'complete' || session.dispatched === 'none') {
    return { kind: 'none' };
  }
  // Temporal never hears of sessions that an external operator runs.
  if (session.external) return { kind: 'none' };
  switch (workflow.kind) {
    case 'running':
      return decideRunning(workflow, session, now);
    case 'closed':
      return decideClosed(workflow, session);
    case 'gone':
      return { kind: 'restart' };
  }
}

/** Of images, a part is in the image service and may be gone, so such a session is not observed again. */
function decideClosed(
  { outcome, runId, artifacts = [] }: KnownEnd,
  { knownEnd, request }: SweptSession,
): SweepAct {
  // If the run is the noted one, the sweep that noted it ended before it started another.
  const isSecond = knownEnd !== undefined && knownEnd.runId !== runId;
  const isInVain = outcome.reason === 'JOB_LOST' || request.target.definition === 'image';
  return isSecond || isInVain
    ? { kind: 'record', outcome: knownEnd?.outcome ?? outcome, artifacts }
    : { kind: 'complete', outcome, runId };
}

/** So often that no worker of another version can have helped, which runs beside this one during an upgrade. */
const HOPELESS_ATTEMPTS = 10;
/** A new run that fails like the last one is not replaced more often than this. */
const REPLACED_AFTER_MS = 600_000;

/** Whether the workflow can never go on. It is then ended, and begun again from its record. */
export function isHopeless({ failing, startedAt }: RunningWorkflow, now: string): boolean {
  if (failing === undefined || failing.isTimeout || failing.attempts < HOPELESS_ATTEMPTS)
    return false;
  return Date.parse(now) - Date.parse(startedAt) >= REPLACED_AFTER_MS;
}

export function describeFailure({ attempts, why }: FailingWorkflow): string {
  return `its workflow has failed ${attempts} times in a row: ${why}`;
}

function decideRunning(workflow: RunningWorkflow, session: SweptSession, now: string): SweepAct {
  const { failing } = workflow;
  if (failing !== undefined && isHopeless(workflow, now))
    return { kind: 'replace', runId: workflow.runId, why: describeFailure(failing) };
  return session.desired === 'run'
    ? decideAdmission(workflow, session)
    : decideCancel(workflow, session);
}

/** Whether the workflow waits for a signal: only that can wake one that has nothing to do and no activity. */
export function isIdle({ hasTask, activities }: RunningWorkflow): boolean {
  return !hasTask && activities.length === 0;
}

/** An idle workflow waits for a place or for hosts. A signal that comes twice is harmless, because it asks the record again. */
function decideAdmission(
  workflow: RunningWorkflow,
  { queuedAt, admittedAt, admissionDue, waitsFor }: SweptSession,
): SweepAct {
  if (!isIdle(workflow)) return { kind: 'none' };
  if (admittedAt !== undefined)
    return admissionDue ? { kind: 'none' } : { kind: 'tell', what: 'admission' };
  if (queuedAt !== undefined || waitsFor !== undefined) return { kind: 'none' };
  return {
    kind: 'replace',
    runId: workflow.runId,
    why: 'its workflow waits for a place, and its record knows nothing about that',
  };
}

/** Activities after which the workflow ends, or that read the wish from the record: it need not be told while one is pending. */
const END_OF_SESSION: ReadonlySet<string> = new Set([
  'claimSession',
  'launchJob',
  'noteCancel',
  'stopJob',
  'discardImages',
  'removeImageKey',
  'removeStagedFiles',
  'recordOutcome',
]);

/**
 * A workflow that has heard of the cancel ends its steps, or stops the job. It ignores a second cancel, so it may be told once
 * too often; but each signal adds to its history, so not as long as it takes to stop a job.
 */
function decideCancel(
  { hasTask, activities }: RunningWorkflow,
  { dispatched, stoppedAt }: SweptSession,
): SweepAct {
  if (dispatched !== 'cancelled' || hasTask) return { kind: 'none' };
  const isEnding = activities.some(
    ({ type, isCancelled }) => isCancelled || stoppedAt !== undefined || END_OF_SESSION.has(type),
  );
  return isEnding ? { kind: 'none' } : { kind: 'tell', what: 'cancel' };
}
