import type { PhaseReturn } from '../core/progress.js';
import { settleResult, type PhaseResult } from '../core/job.js';
import type { Session } from '../core/session.js';
import type { LogGap } from '../runner/runner.js';
import type { PhaseRecord } from '../store/store.js';
import { attachRecord } from './attach.js';
import { isServiceError, ServiceError } from '../core/errors.js';
import { getSession, type ActivityDependencies } from './dependencies.js';
import { withHeartbeat, type Heartbeat } from './heartbeat.js';
import type { Activities, PhaseInput } from './interface.js';
import { parseReportLine } from './report-line.js';
import { resolveConfiguration } from './resolve.js';
import { openWaits } from './waits.js';

/** A signed report is one line; it holds the results of every host of one phase. */
const REPORT_LINE_BYTES = 8 * 1024 * 1024;

/** The signed line holds everything, so it gives way to nothing. */
const FINAL_SEQUENCE = Number.MAX_SAFE_INTEGER;

const noHosts = { hosts: 0, failedHosts: 0, unreachableHosts: 0 };

type PhaseActivities = Pick<Activities, 'gitClone' | 'gitCloneHosts' | 'inventory' | 'ansible'>;

/** One function under four names, so that the Web UI's timeline reads like the list of phases. */
export function createPhaseActivities(dependencies: ActivityDependencies): PhaseActivities {
  const observe = (input: PhaseInput) =>
    withHeartbeat((_, beat) => observePhase(dependencies, input, beat));
  return { gitClone: observe, gitCloneHosts: observe, inventory: observe, ansible: observe };
}

/**
 * Waits for the phase, makes its log whole, and seals it with its result. A repeat finds what the first one left. Phases
 * before it that are open are a restored record's: their ends are known to the job alone, and are made up for first.
 */
async function observePhase(
  dependencies: ActivityDependencies,
  { jobId, phase }: PhaseInput,
  beat: Heartbeat,
): Promise<PhaseReturn> {
  const { store } = dependencies;
  const { session, phases, planned } = await findOrPlan(dependencies, jobId, phase, beat);
  const due = phases.filter(
    (record) => record.position <= planned.position && record.sealedAt === undefined,
  );
  let result = planned.result;
  for (const record of due) {
    const isLast = !phases.some((other) => isOfJob(other) && other.position > record.position);
    const own = await settlePhase(dependencies, session, { ...record, isLast }, beat.signal);
    if (record.name === phase) result = own;
  }
  result ??= (await findPhase(dependencies, jobId, phase)).result;
  if (result === undefined)
    throw new ServiceError('unavailable', `Phase ${phase} of ${jobId} has no result yet.`);
  if (planned.kind !== 'ansible') return { result, hosts: noHosts };
  const { hosts, failedHosts, unreachableHosts } = await store.hosts.summarize(jobId, phase);
  return { result, hosts: { hosts, failedHosts, unreachableHosts } };
}

function isOfJob({ kind }: PhaseRecord): boolean {
  return kind !== 'teardown';
}

/** Undefined: somebody else has sealed it. `isLast`: of the job. */
async function settlePhase(
  dependencies: ActivityDependencies,
  session: Session,
  { name: phase, kind, isLast }: PhaseRecord & { readonly isLast: boolean },
  signal: AbortSignal,
): Promise<PhaseResult | undefined> {
  const { store, runner, now, logger } = dependencies;
  const { jobId } = session;
  await store.phases.start(jobId, phase);
  const waits = openWaits(dependencies, session, phase);
  const seen = await runner.awaitPhase(jobId, phase, signal, (what) => {
    void (what === undefined ? waits.end() : waits.tell(what));
  });
  await waits.end();
  const told = await findPhase(dependencies, jobId, phase);
  const result = settleResult(seen, told.reportedResult, isLast);
  if (result.kind !== 'unstarted') await completeLog(dependencies, told, signal);
  if (kind === 'ansible') await completeHosts(dependencies, jobId, phase);
  const isOurs = await store.phases.seal(jobId, phase, result, now());
  logger.info({ session: session.name, jobId, phase, result }, 'phase ended');
  return isOurs ? result : undefined;
}

/**
 * The job has delivered, or has given up doing so, before its phase ends: what lacks is what the platform still has. Where
 * nothing lacks it is not asked.
 */
async function completeLog(
  dependencies: ActivityDependencies,
  told: PhaseRecord,
  signal: AbortSignal,
): Promise<void> {
  const { store } = dependencies;
  const { jobId, name: phase } = told;
  if (isDelivered(told)) return;
  const copied = await copyLog(dependencies, jobId, phase, signal).catch((error: unknown) => {
    if (isServiceError(error) && error.fault === 'missing') return 'gone';
    throw error;
  });
  if (copied === 'gap') return;
  const gap = describeGap(await findPhase(dependencies, jobId, phase), copied === 'gone');
  if (gap !== undefined) await store.logs.recordGap(jobId, phase, gap);
}

/** A phase of Ansible whose results were not taken has one line more than it reported: they are in it. */
function isDelivered({ kind, hostsFinal, logBytes, reportedLogBytes }: PhaseRecord): boolean {
  if (reportedLogBytes === undefined || logBytes < reportedLogBytes) return false;
  return hostsFinal || kind !== 'ansible';
}

/**
 * `gap`: what came before the rest was lost, and is recorded as such. After a gap the log is no measure of how far the
 * output was copied, so whoever goes on for a worker that died counts from the gap.
 */
async function copyLog(
  { store, runner }: ActivityDependencies,
  jobId: string,
  phase: string,
  signal: AbortSignal,
): Promise<'whole' | 'gap'> {
  const readEnd = async () => (await store.phases.find(jobId, phase))?.logBytes ?? 0;
  const known = await store.logs.findGap(jobId, phase);
  let offset = await readEnd();
  let skip = known?.bytesSince ?? 0;
  let copied: 'whole' | 'gap' = 'whole';
  for await (const piece of runner.readLog(jobId, phase, known?.offset ?? offset, signal)) {
    if ('lostBytes' in piece) {
      if (known === undefined) await store.logs.recordGap(jobId, phase, tellLost(piece));
      copied = 'gap';
      offset = await readEnd();
      continue;
    }
    const fresh = piece.subarray(skip);
    skip -= piece.length - fresh.length;
    const appended = await store.logs.append(jobId, phase, offset, fresh);
    if (appended.kind !== 'stored') break;
    offset += fresh.length;
  }
  return copied;
}

function tellLost({ lostBytes }: LogGap): string {
  return `[${lostBytes} bytes of this log were lost: the node had begun a new file before they were delivered]`;
}

/** A job that went before it reported how long this log is took nobody knows how much with it. */
function describeGap(
  { logBytes, reportedLogBytes }: PhaseRecord,
  isGone: boolean,
): string | undefined {
  if (reportedLogBytes === undefined)
    return isGone ? '[this log may lack its end: the job is gone]' : undefined;
  const lost = reportedLogBytes - logBytes;
  return lost > 0 ? `[${lost} bytes of this log were lost with the job]` : undefined;
}

/** Where the API did not hear the last results, the job signed them into its log. */
async function completeHosts(
  { store, toToken, now }: ActivityDependencies,
  jobId: string,
  phase: string,
): Promise<void> {
  const record = await store.phases.find(jobId, phase);
  if (record === undefined || record.hostsFinal) return;
  const tail = await store.logs.tail(jobId, phase, REPORT_LINE_BYTES);
  const report = parseReportLine(tail, toToken(jobId), phase);
  if (report === undefined) return;
  await store.hosts.save(jobId, phase, {
    sequence: FINAL_SEQUENCE,
    final: true,
    ...(report.recordsState ? { recordedAt: now() } : {}),
    hosts: report.hosts,
  });
}

/** A record that was restored from a backup may be older than its job, and lack the launch, or even the plan. */
async function findOrPlan(
  dependencies: ActivityDependencies,
  jobId: string,
  phase: string,
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
  if (planned === undefined) throw noPhase(jobId, phase);
  return { session, phases, planned };
}

async function findPhase(
  { store }: ActivityDependencies,
  jobId: string,
  phase: string,
): Promise<PhaseRecord> {
  const record = await store.phases.find(jobId, phase);
  if (record === undefined) throw noPhase(jobId, phase);
  return record;
}

function noPhase(jobId: string, phase: string): ServiceError {
  return new ServiceError('missing', `Job ${jobId} has no phase ${phase}.`);
}
