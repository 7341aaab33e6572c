import { isServiceError } from '../core/errors.js';
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
import type { Activities, OutcomeInput, QueuePlace } from './interface.js';
import { toPhaseEnds } from './phase-ends.js';

const OPEN_LOG = '[this log may lack its end: the session ended before all of it had arrived]';

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
        const { jobId } = input;
        const by = readText(input.by) ?? 'somebody in Temporal';
        const reason = readText(input.reason);
        const session = await store.sessions.noteCancel(jobId, {
          at: now(),
          by,
          ...(reason === undefined ? {} : { reason }),
        });
        logger.info({ session: session.name, jobId, by, reason }, 'session cancelled');
        return { launched: session.launchedAt !== undefined };
      }),

    removeStagedFiles: ({ jobId }) => withHeartbeat(() => store.stagedFiles.remove(jobId)),

    recordOutcome: (input) => withHeartbeat(() => recordOutcome(dependencies, input)),
  };
}

/** A signal sent by hand may hold anything. Text that no database takes must not keep a cancel from being recorded. */
function readText(told: unknown): string | undefined {
  return typeof told === 'string' ? told.toWellFormed().replaceAll('\0', '\uFFFD') : undefined;
}

async function recordOutcome(
  dependencies: ActivityDependencies,
  input: OutcomeInput,
): Promise<Outcome> {
  const { store, now, logger } = dependencies;
  const session = await getSession(store, input.jobId);
  if (session.outcome !== undefined) return session.outcome;
  const decided = await decideOutcome(dependencies, session, input);
  const told = preferKnown(tellCheck(decided, session.request), session.knownEnd?.outcome);
  const outcome = nameLeftovers(told, input.leftovers);
  if (input.failure !== undefined) await tellOpenLogs(store, input.jobId);
  const isOurs = await store.sessions.recordOutcome(input.jobId, outcome, now());
  logger.info({ session: session.name, jobId: input.jobId, ...outcome }, 'session ended');
  return isOurs ? outcome : ((await getSession(store, input.jobId)).outcome ?? outcome);
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
  { failure }: OutcomeInput,
): Promise<Outcome> {
  if (failure !== undefined) {
    const known = failure.reason === 'JOB_LOST' ? await findEnd(dependencies, session) : undefined;
    return known ?? toStepOutcome(session, failure);
  }
  const cancellation = findCancellation(session);
  if (session.launchedAt === undefined) return toUnlaunched(cancellation);
  return toOutcome(await toPhaseEnds(dependencies.store, session), cancellation);
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
