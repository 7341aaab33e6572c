import type { PhaseReturn } from '../core/progress.js';
import type { PhaseResult } from '../core/job.js';
import type { LogGap } from '../runner/runner.js';
import type { PhaseRecord } from '../store/store.js';
import { attachRecord } from './attach.js';
import { isServiceError, ServiceError } from '../core/errors.js';
import { getSession, type ActivityDependencies } from './dependencies.js';
import { withHeartbeat, type Heartbeat } from './heartbeat.js';
import type { Activities, PhaseInput } from './interface.js';
import { parseReportLine } from './report-line.js';
import { resolveConfiguration } from './resolve.js';

/** A signed report is one line; it holds the results of every host of one phase. */
const REPORT_LINE_BYTES = 8 * 1024 * 1024;

/** The signed line holds everything, so it gives way to nothing. */
const FINAL_SEQUENCE = Number.MAX_SAFE_INTEGER;

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
  const { position } = await findOrPlan(dependencies, jobId, phase, beat);
  const due = (await store.phases.list(jobId)).filter(
    (record) => record.position <= position && record.sealedAt === undefined,
  );
  for (const { name } of due) await settlePhase(dependencies, jobId, name, beat.signal);
  const { result } = await findPhase(dependencies, jobId, phase);
  if (result === undefined)
    throw new ServiceError('unavailable', `Phase ${phase} of ${jobId} has no result yet.`);
  const { hosts, failedHosts, unreachableHosts } = await store.hosts.summarize(jobId, phase);
  return { result, hosts: { hosts, failedHosts, unreachableHosts } };
}

async function settlePhase(
  dependencies: ActivityDependencies,
  jobId: string,
  phase: string,
  signal: AbortSignal,
): Promise<void> {
  const { store, runner, now, logger } = dependencies;
  await store.sessions.recordPhase(jobId, phase);
  await store.phases.start(jobId, phase);
  const result = await runner.awaitPhase(jobId, phase, signal);
  await completeLog(dependencies, jobId, phase, result, signal);
  await completeHosts(dependencies, jobId, phase);
  await store.phases.seal(jobId, phase, result, now());
  const { name: session } = await getSession(store, jobId);
  logger.info({ session, jobId, phase, result }, 'phase ended');
}

/**
 * The job has delivered, or has given up doing so, before its phase ends: what lacks is what the platform still has. Where
 * nothing lacks it is not asked.
 */
async function completeLog(
  dependencies: ActivityDependencies,
  jobId: string,
  phase: string,
  result: PhaseResult,
  signal: AbortSignal,
): Promise<void> {
  const { store } = dependencies;
  if (result.kind === 'unstarted') return;
  if (isDelivered(await findPhase(dependencies, jobId, phase))) return;
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
  { store, toToken }: ActivityDependencies,
  jobId: string,
  phase: string,
): Promise<void> {
  const record = await store.phases.find(jobId, phase);
  if (record === undefined || record.hostsFinal || record.kind !== 'ansible') return;
  const tail = await store.logs.tail(jobId, phase, REPORT_LINE_BYTES);
  const report = parseReportLine(tail, toToken(jobId), phase);
  if (report === undefined) return;
  await store.hosts.save(jobId, phase, {
    sequence: FINAL_SEQUENCE,
    final: true,
    ...(report.recordsState ? { recordedAt: new Date().toISOString() } : {}),
    hosts: report.hosts,
  });
}

/** A record that was restored from a backup may be older than its job, and lack the launch, or even the plan. */
async function findOrPlan(
  dependencies: ActivityDependencies,
  jobId: string,
  phase: string,
  beat: Heartbeat,
): Promise<PhaseRecord> {
  const { store } = dependencies;
  await attachRecord(dependencies, await getSession(store, jobId), beat.signal);
  const planned = await store.phases.find(jobId, phase);
  if (planned !== undefined) return planned;
  const isPlanned = (await store.phases.list(jobId)).length > 0;
  if (!isPlanned) await resolveConfiguration(dependencies, jobId, beat);
  return findPhase(dependencies, jobId, phase);
}

async function findPhase(
  { store }: ActivityDependencies,
  jobId: string,
  phase: string,
): Promise<PhaseRecord> {
  const record = await store.phases.find(jobId, phase);
  if (record === undefined)
    throw new ServiceError('missing', `Job ${jobId} has no phase ${phase}.`);
  return record;
}
