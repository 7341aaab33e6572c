import { findErrorLine } from '../core/error-line.js';
import { listImageIds } from '../core/image.js';
import { isSuccess, type PhaseResult } from '../core/job.js';
import type { PhaseEnd } from '../core/outcome.js';
import { planJob, toPhaseSubject } from '../core/plan.js';
import type { Session, Snapshot } from '../core/session.js';
import type { PhaseRecord, Store } from '../store/store.js';
import { REPORT_LINE_BYTES, withoutReportLine } from './report-line.js';

const TAIL_BYTES = 16 * 1024;
/** Of names that the inventory does not have; messages show a few. */
const MOST_MISSING = 1_000;
const noHosts = { hosts: 0, failedHosts: 0, unreachableHosts: 0 };
const lost: PhaseResult = { kind: 'killed', reason: 'lost' };

/** What the verdict needs to know about each phase, up to the first that did not succeed. */
export async function toPhaseEnds(store: Store, session: Session): Promise<readonly PhaseEnd[]> {
  const { snapshot } = session;
  const phases = snapshot === undefined ? [] : listPhasesToEnd(session, snapshot);
  const records = new Map(
    (await store.phases.list(session.jobId)).map((phase) => [phase.name, phase]),
  );
  const ends: PhaseEnd[] = [];
  for (const phase of phases) {
    const record = records.get(phase.name);
    const told = record?.result;
    // A launched phase without a result is lost. So is a `teardown` that exited with 0 because it discarded the images.
    const result = told === undefined || isDiscard(session, phase, told) ? lost : told;
    const errorLine = isSuccess(result)
      ? undefined
      : await readErrorLine(store, session.jobId, record);
    ends.push({
      name: phase.name,
      kind: phase.kind,
      subject: phase.subject,
      result,
      hosts:
        phase.kind === 'ansible' ? await store.hosts.summarize(session.jobId, phase.name) : noHosts,
      ...(phase.kind === 'ansible' && record?.hostsFinal !== true ? { lacksResults: true } : {}),
      ...(phase.kind === 'inventory' ? { missing: await listMissing(store, session, phase) } : {}),
      ...(record?.filesChanged === true ? { filesChanged: true } : {}),
      timeoutSeconds: phase.timeoutSeconds,
      ...(errorLine === undefined ? {} : { errorLine }),
    });
    if (!isSuccess(result)) break;
  }
  return ends;
}

/** The results of the inventory are what the limit names and the inventory does not have. */
async function listMissing(
  { hosts }: Store,
  { jobId, request: { ansibleLimit = '' } }: Session,
  { name }: Pick<PhaseEnd, 'name'>,
): Promise<readonly string[]> {
  if (ansibleLimit === '') return [];
  const { items } = await hosts.list(jobId, { limit: MOST_MISSING, phase: name });
  return items.map(({ host }) => host);
}

function isDiscard(
  { artifacts, request: { target } }: Session,
  { kind }: Pick<PhaseEnd, 'kind'>,
  result: PhaseResult,
): boolean {
  if (kind !== 'teardown' || !isSuccess(result)) return false;
  return artifacts.length < listImageIds(target.groups ?? []).length;
}

function listPhasesToEnd(session: Session, snapshot: Snapshot) {
  const phases: Pick<PhaseEnd, 'name' | 'kind' | 'subject' | 'timeoutSeconds'>[] = planJob(
    session,
    snapshot,
  ).phases.map((phase) => ({ ...phase, subject: toPhaseSubject(phase) }));
  if (session.request.target.definition !== 'image') return phases;
  const timeoutSeconds = snapshot.limits.imagePackageSeconds;
  return [
    ...phases,
    { name: 'teardown', kind: 'teardown', subject: 'image', timeoutSeconds } as const,
  ];
}

async function readErrorLine(
  store: Store,
  jobId: string,
  phase: PhaseRecord | undefined,
): Promise<string | undefined> {
  if (phase === undefined) return undefined;
  const read = async (bytes: number) =>
    new TextDecoder().decode(await store.logs.tail(jobId, phase.name, bytes));
  const tail = await read(TAIL_BYTES);
  // All of the tail may be part of the report line, if that holds many hosts.
  const isOneLine = !tail.trimEnd().includes('\n');
  const said = withoutReportLine(isOneLine ? await read(REPORT_LINE_BYTES + TAIL_BYTES) : tail);
  return findErrorLine(said.slice(-TAIL_BYTES));
}
