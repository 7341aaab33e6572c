import { toCancelRequest } from '../core/cancel-request.js';
import { toSessionStart } from '../core/session-start.js';
import type { Session } from '../core/session.js';
import { decideSweep, isMovable, type RunningWorkflow, type WorkflowState } from '../core/sweep.js';
import type { SweepDependencies, SweepEntry } from './sweep-dependencies.js';

/** For each lost machine, why it counts as lost. */
export type LostMachines = ReadonlyMap<string, string>;

export interface PlannedAct {
  readonly kind: SweepEntry['act'];
  readonly why: string;
  readonly act: () => Promise<unknown>;
}

/** Undefined if record and workflow agree. */
export function planRepair(
  { store, orchestrator, now }: SweepDependencies,
  workflow: WorkflowState,
  session: Session,
): PlannedAct | undefined {
  const { jobId } = session;
  const decision = decideSweep(workflow, session, now());
  switch (decision.kind) {
    case 'none':
      return undefined;
    case 'record':
      return {
        kind: 'record',
        why: 'its workflow has ended, its record has not',
        async act() {
          for (const artifact of decision.artifacts)
            await store.sessions.addArtifact(jobId, artifact);
          await store.sessions.recordOutcome(jobId, decision.outcome, now());
        },
      };
    case 'complete':
      return {
        kind: 'restart',
        why: 'its workflow has ended, but its record has not and may lack log and results',
        async act() {
          const { runId, outcome } = decision;
          await store.sessions.recordKnownEnd(jobId, { runId, outcome });
          await orchestrator.restartSession(toSessionStart(session));
        },
      };
    case 'restart':
      return {
        kind: 'restart',
        why: 'it has no workflow any more',
        act: () => orchestrator.restartSession(toSessionStart(session)),
      };
    case 'replace':
      return {
        kind: 'restart',
        why: decision.why,
        async act() {
          const run = { id: jobId, runId: decision.runId };
          await orchestrator.terminateRun(run, `Ended by the sweep: ${decision.why}`);
          await orchestrator.restartSession(toSessionStart(session));
        },
      };
    case 'tell':
      return {
        kind: 'tell',
        ...(decision.what === 'cancel'
          ? {
              why: 'it is cancelled, and its workflow has not heard of it',
              act: () => orchestrator.cancelSession(jobId, toCancelRequest(session)),
            }
          : {
              why: 'it may start, and its workflow has not heard of it',
              act: () => orchestrator.admitSession(jobId),
            }),
      };
  }
}

/** Undefined if the session is over, or if its machine is not lost, or not needed. */
export async function planForLostMachine(
  dependencies: SweepDependencies,
  workflow: WorkflowState,
  session: Session,
  lostMachines: LostMachines,
): Promise<PlannedAct | undefined> {
  const why = lostMachines.get(session.machine ?? '');
  if (workflow.kind !== 'running' || session.state === 'complete' || why === undefined)
    return undefined;
  if (await isPackaging(dependencies, session)) return undefined;
  return isMovable(session)
    ? { kind: 'move', why, act: () => move(dependencies, workflow, session, why) }
    : { kind: 'lose', why, act: () => dependencies.orchestrator.loseJob(session.jobId, why) };
}

/** Whether images are being packaged. The job is over then, and any worker can do it; later steps need the machine again. */
async function isPackaging(
  { store }: SweepDependencies,
  { jobId, teardownAt }: Session,
): Promise<boolean> {
  if (teardownAt === undefined) return false;
  return (await store.phases.find(jobId, 'teardown'))?.sealedAt === undefined;
}

/**
 * Has another machine take over the session. The workflow is terminated first: wherever this stops, the next sweep finds a
 * session without a workflow. If the machine lives after all and has launched the job meanwhile, the new workflow attaches.
 */
async function move(
  { store, orchestrator }: SweepDependencies,
  { runId }: RunningWorkflow,
  session: Session,
  why: string,
): Promise<void> {
  const { jobId, machine } = session;
  const run = { id: jobId, runId };
  await orchestrator.terminateRun(run, `${why} It has launched nothing; another takes over.`);
  await store.sessions.unclaim(jobId, machine ?? '');
  await orchestrator.restartSession(toSessionStart(session));
}
