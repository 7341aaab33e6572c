import { isServiceError, ServiceError, setBack } from '../core/errors.js';
import type { LogGap } from '../runner/runner.js';
import type { PhaseRecord, Store } from '../store/store.js';
import type { ActivityDependencies } from './dependencies.js';
import type { PhaseInput } from './interface.js';
import { parseReport, parseReportLine, REPORT_LINE_BYTES } from './report-line.js';

/** The signed line holds all results, so no report takes precedence over it. */
const FINAL_SEQUENCE = Number.MAX_SAFE_INTEGER;

/**
 * Completes the log of a phase that has ended. By then the job has delivered it or given up, so only
 * the platform may still have what is missing. If nothing is missing, the platform is not asked. Returns the length of the log.
 */
export async function completeLog(
  dependencies: ActivityDependencies,
  told: PhaseRecord,
  signal: AbortSignal,
): Promise<number> {
  const { store } = dependencies;
  const input = { jobId: told.jobId, phase: told.name };
  if (isDelivered(told)) return told.logBytes;
  const copied = await copyLog(dependencies, input, signal).catch((error: unknown) => {
    if (isServiceError(error) && error.fault === 'missing')
      return { kind: 'gone', end: told.logBytes } as const;
    throw error;
  });
  const record = await findPhase(store, input);
  // The platform still has what a database that was set back has lost meanwhile.
  if (record.logBytes < copied.end)
    throw new ServiceError(
      'unavailable',
      `The log of ${told.name} of ${told.jobId} is lost again.`,
    );
  const gap = copied.kind === 'gap' ? undefined : describeGap(record, copied.kind === 'gone');
  if (gap !== undefined) await store.logs.recordGap(told.jobId, told.name, gap);
  return record.logBytes;
}

/** Results of Ansible that the API did not take are in one more line of the log, which the job did not count. */
function isDelivered({ kind, hostsFinal, logBytes, reportedLogBytes }: PhaseRecord): boolean {
  if (reportedLogBytes === undefined || logBytes < reportedLogBytes) return false;
  return hostsFinal || kind !== 'ansible';
}

/**
 * Copies what the log lacks from the platform. `gap` means that some of it was lost, which is recorded. After a gap the
 * length of the log does not tell how much was copied, so a worker that takes over from a dead one counts from the gap. `end`
 * is where the log ends then, unless the database was set back.
 */
async function copyLog(
  { store, runner }: ActivityDependencies,
  { jobId, phase }: PhaseInput,
  signal: AbortSignal,
): Promise<{ readonly kind: 'whole' | 'gap'; readonly end: number }> {
  const readEnd = async () => (await store.phases.find(jobId, phase))?.logBytes ?? 0;
  const known = await store.logs.findGap(jobId, phase);
  let offset = await readEnd();
  let skip = known?.bytesSince ?? 0;
  let kind: 'whole' | 'gap' = 'whole';
  for await (const piece of runner.readLog(jobId, phase, known?.offset ?? offset, signal)) {
    if ('lostBytes' in piece) {
      if (known === undefined) await store.logs.recordGap(jobId, phase, tellLost(piece));
      kind = 'gap';
      offset = await readEnd();
      continue;
    }
    const fresh = piece.subarray(skip);
    skip -= piece.length - fresh.length;
    const appended = await store.logs.append(jobId, phase, offset, fresh);
    if (appended.kind !== 'stored') break;
    offset += fresh.length;
  }
  return { kind, end: offset };
}

const LOSSES = {
  rotated: 'the node rotated its log file before they were delivered',
  cut: 'the container runtime of the node did not keep the end, and the API could not be reached',
};

function tellLost({ lostBytes, why }: LogGap): string {
  return `[${lostBytes} bytes of this log were lost: ${LOSSES[why]}]`;
}

/** If the job is gone and never reported how long its log is, nobody knows how much is lost. */
function describeGap(
  { logBytes, reportedLogBytes }: PhaseRecord,
  isGone: boolean,
): string | undefined {
  if (reportedLogBytes === undefined)
    return isGone ? '[this log may lack its end: the job is gone]' : undefined;
  const lost = reportedLogBytes - logBytes;
  return lost > 0 ? `[${lost} bytes of this log were lost with the job]` : undefined;
}

/**
 * Takes host results (of the inventory: missing hosts) that did not reach the API from the log of the phase, where the job has
 * put them into a signed line. If that was lost, the platform may have them apart from the log, maybe with shorter texts.
 */
export async function completeHosts(
  { store, runner, toToken, now }: ActivityDependencies,
  { jobId, phase }: PhaseInput,
  signal: AbortSignal,
): Promise<void> {
  const record = await store.phases.find(jobId, phase);
  if (record === undefined || record.hostsFinal) return;
  const token = toToken(jobId);
  const tail = await store.logs.tail(jobId, phase, REPORT_LINE_BYTES);
  const findApart = async () => {
    const signed = await runner.findResults(jobId, phase, signal);
    return signed === undefined ? undefined : parseReport(signed, token, phase);
  };
  const report = parseReportLine(tail, token, phase) ?? (await findApart());
  if (report === undefined) return;
  await store.hosts.save(jobId, phase, {
    sequence: FINAL_SEQUENCE,
    final: true,
    ...(report.recordsState || report.recordsIncomplete === true ? { recordedAt: now() } : {}),
    ...(report.recordsIncomplete === true ? { incompleteState: true } : {}),
    ...(report.whole === true ? { whole: true } : {}),
    ...(report.rerun === undefined ? {} : { rerun: report.rerun }),
    hosts: report.hosts,
  });
}

/** For a phase that was planned. */
export async function findPhase(store: Store, { jobId, phase }: PhaseInput): Promise<PhaseRecord> {
  const record = await store.phases.find(jobId, phase);
  if (record === undefined) throw setBack(jobId, 'the plan');
  return record;
}
