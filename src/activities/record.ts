import { isServiceError, setBack } from '../core/errors.js';
import { isSuccess } from '../core/job.js';
import { toControlQueue, toMachineQueue } from '../core/names.js';
import { tellCheck } from '../core/check-mode.js';
import { toOutcome } from '../core/outcome.js';
import { decideClaim, type Outcome, type Session } from '../core/session.js';
import {
  findCancellation,
  nameLeftovers,
  preferKnown,
  toStepOutcome,
  toUnlaunched,
} from '../core/session-end.js';
import type { PhaseRecord, Store } from '../store/store.js';
import { getSession, type ActivityDependencies } from './dependencies.js';
import { withHeartbeat } from './heartbeat.js';
import type { Activities, CancelInput, OutcomeInput, QueuePlace } from './interface.js';
import { toPhaseEnds } from './phase-ends.js';

const OPEN_LOG = '[this log may lack its end: the session ended before all of it had arrived]';

const LOST_PLAN =
  'The database was set back to an earlier moment, and does not know what the job was to do.';

type RecordActivities = Pick<
  Activities,
  'claimSession' | 'noteCancel' | 'removeStagedFiles' | 'recordOutcome'
>;

export function createRecordActivities(dependencies: ActivityDependencies): RecordActivities {
  const { store, now, machine, phaseQueue, logger } = dependencies;
  return {
    claimSession: ({ jobId }) =>
      withHeartbeat(async () => {
        const session = await store.sessions.claim(jobId, {
          at: now(),
          ...(machine === undefined ? {} : { machine }),
        });
        const claim = decideClaim(session);
        if (claim.kind === 'complete') return claim;
        const queue = claim.kind === 'go' ? await findPlace(store, session) : undefined;
        logger.info(
          { session: session.name, jobId, claim: claim.kind, ...queue },
          'session claimed',
        );
        return {
          ...(queue === undefined ? {} : { queue }),
          kind: claim.kind,
          launched: session.launchedAt !== undefined,
          sessionName: session.name,
          configurationName: session.request.configurationName,
          ...(session.request.target.definition === 'image'
            ? { customizesImages: true as const }
            : {}),
          ...toQueues(session.machine, phaseQueue),
        };
      }),

    noteCancel: (input) =>
      withHeartbeat(async () => {
        const { launchedAt } = await noteCancel(dependencies, input);
        return { launched: launchedAt !== undefined };
      }),

    removeStagedFiles: ({ jobId }) => withHeartbeat(() => store.stagedFiles.remove(jobId)),

    recordOutcome: (input) =>
      withHeartbeat(async () => {
        const session = await getSession(store, input.jobId);
        const outcome = session.outcome ?? (await recordOutcome(dependencies, session, input));
        const { artifacts } = session;
        return artifacts.length === 0 ? outcome : { ...outcome, artifacts };
      }),
  };
}

async function noteCancel(
  { store, now, logger }: ActivityDependencies,
  { jobId, ...told }: CancelInput,
): Promise<Session> {
  const by = readText(told.by) ?? 'somebody in Temporal';
  const reason = readText(told.reason);
  const session = await store.sessions.noteCancel(jobId, {
    at: now(),
    by,
    ...(reason === undefined ? {} : { reason }),
  });
  logger.info({ session: session.name, jobId, by, reason }, 'session cancelled');
  return session;
}

/** A signal sent by hand may hold anything. Text that no database takes must not keep a cancel from being recorded. */
function readText(told: unknown): string | undefined {
  return typeof told === 'string' ? told.toWellFormed().replaceAll('\0', '\uFFFD') : undefined;
}

async function recordOutcome(
  dependencies: ActivityDependencies,
  found: Session,
  input: OutcomeInput,
): Promise<Outcome> {
  const { store, now, logger } = dependencies;
  const session = await noteLostCancel(dependencies, found, input);
  const decided = await decideOutcome(dependencies, session, input);
  const told = preferKnown(tellCheck(decided, session.request), session.knownEnd?.outcome);
  const outcome = nameLeftovers(told, input.leftovers);
  if (input.failure !== undefined) await tellOpenLogs(store, input.jobId);
  const isOurs = await store.sessions.recordOutcome(input.jobId, outcome, now());
  logger.info({ session: session.name, jobId: input.jobId, ...outcome }, 'session ended');
  return isOurs ? outcome : ((await getSession(store, input.jobId)).outcome ?? outcome);
}

/** The database may have been set back since the cancel was noted. */
async function noteLostCancel(
  dependencies: ActivityDependencies,
  session: Session,
  { jobId, cancel }: OutcomeInput,
): Promise<Session> {
  const isNoted = session.desired !== 'run' || session.teardownAt !== undefined;
  return cancel === undefined || isNoted ? session : noteCancel(dependencies, { ...cancel, jobId });
}

/** Notes in the log of each phase that nobody saw end that more may have been written. */
async function tellOpenLogs(store: Store, jobId: string): Promise<void> {
  for (const phase of await store.phases.list(jobId)) {
    if (phase.state !== 'running' || isWhole(phase)) continue;
    await store.logs.recordGap(jobId, phase.name, OPEN_LOG).catch((error: unknown) => {
      // It was sealed meanwhile, by a worker that saw it end after all.
      if (!isServiceError(error) || error.fault !== 'gone') throw error;
    });
  }
}

function isWhole({ logBytes, reportedLogBytes }: PhaseRecord): boolean {
  return reportedLogBytes !== undefined && logBytes >= reportedLogBytes;
}

async function findPlace(
  store: Store,
  { jobId, admittedAt, waitsFor }: Session,
): Promise<QueuePlace | undefined> {
  // A session that waits for hosts asks for them again, even if an earlier run of its workflow has done so.
  if (admittedAt !== undefined || waitsFor !== undefined) return undefined;
  const [places, options] = await Promise.all([
    store.admission.places([jobId]),
    store.options.get(),
  ]);
  const place = places.get(jobId);
  // Without a place it was admitted meanwhile, and the signal is on its way.
  return { place: place ?? 1, limit: options.maxRunningSessions };
}

function toQueues(machine: string | undefined, phaseQueue: string | undefined) {
  if (machine === undefined) return phaseQueue === undefined ? {} : { machineQueue: phaseQueue };
  return { machineQueue: toMachineQueue(machine), controlQueue: toControlQueue(machine) };
}

async function decideOutcome(
  dependencies: ActivityDependencies,
  session: Session,
  { failure, mayBeginAgain }: OutcomeInput,
): Promise<Outcome> {
  if (failure !== undefined) {
    const known = failure.reason === 'JOB_LOST' ? await findEnd(dependencies, session) : undefined;
    return known ?? toStepOutcome(session, failure);
  }
  const cancellation = findCancellation(session);
  if (session.launchedAt === undefined) return toUnlaunched(cancellation);
  const { store } = dependencies;
  const lost = findLostEnd(session, await store.phases.list(session.jobId));
  if (lost !== undefined && mayBeginAgain === true) throw setBack(session.jobId, lost);
  if (session.snapshot === undefined)
    return toStepOutcome(session, { reason: 'JOB_LOST', message: LOST_PLAN });
  return toOutcome(await toPhaseEnds(store, session), cancellation);
}

/** What the workflow has seen, because it ends without a failure, and the record lacks. Undefined if it lacks nothing. */
function findLostEnd({ snapshot }: Session, phases: readonly PhaseRecord[]): string | undefined {
  if (snapshot === undefined || phases.length === 0) return 'the plan';
  const last = phases.find(({ result }) => result === undefined || !isSuccess(result));
  return last !== undefined && last.result === undefined ? `the end of ${last.name}` : undefined;
}

/** A lost machine may have reported how the job ended, although Temporal did not hear of it. */
async function findEnd(
  { store, now }: ActivityDependencies,
  session: Session,
): Promise<Outcome | undefined> {
  if (session.launchedAt === undefined || session.snapshot === undefined) return undefined;
  for (const { name, result, reportedResult } of await store.phases.list(session.jobId))
    if (result === undefined && reportedResult !== undefined)
      await store.phases.seal(session.jobId, name, reportedResult, now());
  const outcome = toOutcome(await toPhaseEnds(store, session), findCancellation(session));
  return outcome.reason === 'JOB_LOST' ? undefined : outcome;
}
