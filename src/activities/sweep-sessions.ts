import { toSessionStart } from '../core/session-start.js';
import type { Session } from '../core/session.js';
import { decideSweep, isMovable, type WorkflowState } from '../core/sweep.js';
import type { SweepDependencies, SweepEntry } from './sweep-dependencies.js';
import type { SweepRun } from './sweep-run.js';

const PAGE = 100;
const AT_ONCE = 10;
/** Workers report themselves every thirty seconds, so a machine that was heard of more recently may well be alive. */
const LEAST_LOST_SECONDS = 120;

/** For each lost machine, why it counts as lost. */
type LostMachines = ReadonlyMap<string, string>;

/** Sweeps every session that is not complete. Returns how many there were. */
export async function sweepSessions(
  dependencies: SweepDependencies,
  run: SweepRun,
): Promise<number> {
  const { store } = dependencies;
  const lost = await findLostMachines(dependencies);
  let examined = 0;
  let afterId: string | undefined;
  for (;;) {
    const page = await store.sweep.listUnfinished({
      limit: PAGE,
      ...(afterId === undefined ? {} : { afterId }),
    });
    for (let first = 0; first < page.items.length; first += AT_ONCE) {
      const some = page.items.slice(first, first + AT_ONCE);
      await Promise.all(
        some.map(({ jobId, name }) =>
          run.attempt({ message: 'a session could not be swept', session: name, jobId }, () =>
            sweepSession(dependencies, jobId, lost, run),
          ),
        ),
      );
    }
    examined += page.items.length;
    afterId = page.items.at(-1)?.jobId;
    if (!page.hasMore || afterId === undefined) return examined;
  }
}

async function findLostMachines({
  store,
  machineLostSeconds,
  machine,
}: SweepDependencies): Promise<LostMachines> {
  if (machineLostSeconds === 0) return new Map();
  const now = await store.sweep.clock();
  // Before the machines are read, because it makes none count as silent after the database was away.
  if (machine !== undefined) await store.sweep.seeMachine(machine, now);
  const seconds = Math.max(machineLostSeconds, LEAST_LOST_SECONDS);
  const before = new Date(Date.parse(now) - seconds * 1000).toISOString();
  const machines = [...(await store.sweep.listMachines())].filter(([, seenAt]) => seenAt < before);
  return new Map(
    machines.map(([silent, seenAt]) => [
      silent,
      `Machine ${silent}, which has the session, has not been heard of since ${seenAt}.`,
    ]),
  );
}

async function sweepSession(
  dependencies: SweepDependencies,
  jobId: string,
  lostMachines: LostMachines,
  { perform }: SweepRun,
): Promise<void> {
  const { store, orchestrator } = dependencies;
  const workflow = await orchestrator.describeSession(jobId);
  const session = await store.sessions.get(jobId);
  if (session === undefined) return;
  const planned =
    planRepair(dependencies, workflow, session) ??
    (await planForLostMachine(dependencies, workflow, session, lostMachines));
  if (planned === undefined) return;
  const { kind, why, act } = planned;
  await perform({ act: kind, session: session.name, jobId, why }, act);
}

interface PlannedAct {
  readonly kind: SweepEntry['act'];
  readonly why: string;
  readonly act: () => Promise<unknown>;
}

/** Undefined if record and workflow agree. */
function planRepair(
  { store, orchestrator, now }: SweepDependencies,
  workflow: WorkflowState,
  session: Session,
): PlannedAct | undefined {
  const decision = decideSweep(workflow, session);
  switch (decision.kind) {
    case 'none':
      return undefined;
    case 'record':
      return {
        kind: 'record',
        why: 'its workflow has ended, its record has not',
        act: () => store.sessions.recordOutcome(session.jobId, decision.outcome, now()),
      };
    case 'restart':
      return {
        kind: 'restart',
        why: 'it has no workflow any more',
        act: () => orchestrator.restartSession(toSessionStart(session)),
      };
  }
}

/** Undefined if the session is over, or if its machine is not lost, or not needed. */
async function planForLostMachine(
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
    ? { kind: 'move', why, act: () => move(dependencies, session, why) }
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
  session: Session,
  why: string,
): Promise<void> {
  const { jobId, machine } = session;
  await orchestrator.terminateSession(jobId, `${why} It has launched nothing; another takes over.`);
  await store.sessions.unclaim(jobId, machine ?? '');
  await orchestrator.restartSession(toSessionStart(session));
}
