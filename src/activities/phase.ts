import { isServiceError, ServiceError } from '../core/errors.js';
import { settleResult, type PhaseResult } from '../core/job.js';
import type { PhaseReturn } from '../core/progress.js';
import type { Session } from '../core/session.js';
import type { PhaseRecord } from '../store/store.js';
import { attachRecord } from './attach.js';
import { getSession, type ActivityDependencies } from './dependencies.js';
import { withHeartbeat, type Heartbeat } from './heartbeat.js';
import type { Activities, PhaseInput } from './interface.js';
import { completeHosts, completeLog, findPhase } from './phase-delivery.js';
import { resolveConfiguration } from './resolve.js';
import { openWaits } from './waits.js';

const noHosts = { hosts: 0, failedHosts: 0, unreachableHosts: 0 };

type PhaseActivities = Pick<Activities, 'gitClone' | 'gitCloneHosts' | 'inventory' | 'ansible'>;

/** One function under four names, so that the Web UI's timeline reads like the list of phases. */
export function createPhaseActivities(dependencies: ActivityDependencies): PhaseActivities {
  const observe = (input: PhaseInput) =>
    withHeartbeat((_, beat) => observePhase(dependencies, input, beat));
  return { gitClone: observe, gitCloneHosts: observe, inventory: observe, ansible: observe };
}

/**
 * Waits for the phase, completes its log, and seals it with its result. A repeat continues where the last attempt stopped. If
 * earlier phases are still open, the record was restored and only the job knows how they ended, so they are settled first.
 */
async function observePhase(
  dependencies: ActivityDependencies,
  input: PhaseInput,
  beat: Heartbeat,
): Promise<PhaseReturn> {
  const { store } = dependencies;
  const { jobId, phase } = input;
  const { session, phases, planned } = await findOrPlan(dependencies, input, beat);
  const due = phases.filter(
    (record) => record.position <= planned.position && record.sealedAt === undefined,
  );
  let result = planned.result;
  for (const record of due) {
    const isLast = !phases.some((other) => isOfJob(other) && other.position > record.position);
    const own = await settlePhase(dependencies, session, { ...record, isLast }, beat.signal).catch(
      async (error: unknown) => {
        if (!(await isSealedBy(store, record, error))) throw error;
        return undefined;
      },
    );
    if (record.name === phase) result = own;
  }
  result ??= (await findPhase(store, input)).result;
  if (result === undefined)
    throw new ServiceError('unavailable', `Phase ${phase} of ${jobId} has no result yet.`);
  if (planned.kind !== 'ansible') return { result, hosts: noHosts };
  const { hosts, failedHosts, unreachableHosts } = await store.hosts.summarize(jobId, phase);
  return { result, hosts: { hosts, failedHosts, unreachableHosts } };
}

/** An earlier attempt that lives still may come to the end first: nothing more is taken then, and its end counts. */
async function isSealedBy(
  store: ActivityDependencies['store'],
  { jobId, name }: PhaseRecord,
  error: unknown,
): Promise<boolean> {
  if (!isServiceError(error) || error.fault !== 'gone') return false;
  return (await store.phases.find(jobId, name))?.sealedAt !== undefined;
}

function isOfJob({ kind }: PhaseRecord): boolean {
  return kind !== 'teardown';
}

/** Returns undefined if somebody else has sealed the phase, or its log is lost again. `isLast` means that it is the last one of the job. */
async function settlePhase(
  dependencies: ActivityDependencies,
  session: Session,
  { name: phase, kind, isLast }: PhaseRecord & { readonly isLast: boolean },
  signal: AbortSignal,
): Promise<PhaseResult | undefined> {
  const { store, runner, now, logger } = dependencies;
  const { jobId } = session;
  const input = { jobId, phase };
  await store.phases.start(jobId, phase);
  const waits = openWaits(dependencies, session, phase);
  const seen = await runner.awaitPhase(jobId, phase, signal, (what) => {
    void (what === undefined ? waits.end() : waits.tell(what));
  });
  await waits.end();
  const told = await findPhase(store, input);
  if (seen.kind === 'exited' && told.reportedResult === undefined)
    logger.info(
      { session: session.name, jobId, phase },
      'the job did not reach the API at JOB_API_URL and waited for it; the worker reads its log',
    );
  const result = settleResult(seen, told.reportedResult, isLast);
  let { logBytes } = told;
  if (result.kind !== 'unstarted') {
    logBytes = await completeLog(dependencies, told, signal);
    if (kind === 'ansible' || kind === 'inventory')
      await completeHosts(dependencies, input, signal);
  }
  const isOurs = await store.phases.seal(jobId, phase, result, now(), logBytes);
  logger.info({ session: session.name, jobId, phase, result }, 'phase ended');
  return isOurs ? result : undefined;
}

/** A record that was restored from a backup may be older than its job, and lack the launch, or even the plan. */
async function findOrPlan(
  dependencies: ActivityDependencies,
  { jobId, phase }: PhaseInput,
  beat: Heartbeat,
) {
  const { store } = dependencies;
  const session = await attachRecord(dependencies, await getSession(store, jobId), beat.signal);
  let phases = await store.phases.list(jobId);
  if (phases.length === 0) {
    await resolveConfiguration(dependencies, jobId, beat);
    phases = await store.phases.list(jobId);
  }
  const planned = phases.find(({ name }) => name === phase);
  if (planned === undefined)
    throw new ServiceError('missing', `Job ${jobId} has no phase ${phase}.`);
  return { session, phases, planned };
}
