import type { Selectable } from 'kysely';
import { EXIT, isSuccess, type PhaseResult } from '../../core/job.js';
import type { Connection } from '../database/database.js';
import type { StoreDialect } from '../database/dialect.js';
import type { Schema } from '../database/schema.js';

type PhaseRow = Selectable<Schema['phases']>;

/** What is known of the hosts of one session. */
export interface SessionReports {
  /**
   * Index of a layer → the hosts that have a result. Only layers whose playbook succeeded, of which all results are known,
   * and count for the commit. None has one if results are no state of components: then nothing more is to be known.
   */
  readonly layers: ReadonlyMap<number, ReadonlySet<string>>;
  /** Hosts whose failure is state of their components, unless that was emptied. */
  readonly failed: ReadonlySet<string>;
  /** Hosts that the limit names and the inventory does not have. */
  readonly missing: ReadonlySet<string>;
  /** Whether a git server has refused a clone, or has no such repository. */
  readonly isCloneRefused: boolean;
}

export const NO_REPORTS: SessionReports = {
  layers: new Map(),
  failed: new Set(),
  missing: new Set(),
  isCloneRefused: false,
};

/** Job id → reports. */
export async function readReports(
  db: Connection,
  dialect: StoreDialect,
  jobIds: readonly string[],
): Promise<ReadonlyMap<string, SessionReports>> {
  if (jobIds.length === 0) return new Map();
  const texts = dialect.textsOf(JSON.stringify(jobIds));
  const phases = await db
    .selectFrom('phases')
    .select([
      'job_id',
      'name',
      'kind',
      'position',
      'result',
      'hosts_final',
      'hosts_recorded',
      'files_changed',
    ])
    .where((eb) => dialect.isOneOfFew(eb.ref('job_id'), texts))
    .where('kind', 'in', ['ansible', 'git-clone', 'git-clone-hosts'])
    .execute();
  const results = await db
    .selectFrom('host_results')
    .select(['job_id', 'position', 'phase', 'host', 'failed', 'unreachable'])
    .where((eb) => dialect.isOneOfFew(eb.ref('job_id'), texts))
    .execute();
  const phasesOf = Map.groupBy(phases, (phase) => phase.job_id);
  const resultsOf = Map.groupBy(results, (row) => row.job_id);
  const toReports = (jobId: string): SessionReports => {
    const rows = resultsOf.get(jobId) ?? [];
    const all = phasesOf.get(jobId) ?? [];
    const own = all.filter(({ kind }) => kind === 'ansible');
    const unrecorded = new Set(own.filter(isUnrecorded).map(({ position }) => position));
    const recorded = rows.filter(({ position }) => !unrecorded.has(position));
    const hostsAt = Map.groupBy(recorded, ({ position }) => position);
    const layers = own
      .filter(isKnown)
      .map(({ name, position }) => [toLayer(name), toHosts(hostsAt.get(position))] as const);
    return {
      layers: new Map(layers),
      failed: toHosts(recorded.filter((row) => row.failed > 0 || row.unreachable > 0)),
      missing: toHosts(rows.filter(({ phase }) => phase === 'inventory')),
      isCloneRefused: all.some(isRefused),
    };
  };
  return new Map(jobIds.map((jobId) => [jobId, toReports(jobId)]));
}

/** The site does without `cfs_aggregator`, or Ansible did not come to its end. */
function isUnrecorded({ hosts_recorded: isRecorded }: Pick<PhaseRow, 'hosts_recorded'>): boolean {
  return isRecorded === 0;
}

function isRefused({ kind, result }: Pick<PhaseRow, 'kind' | 'result'>): boolean {
  const end = toEnd(result);
  return kind !== 'ansible' && end?.kind === 'exited' && end.exitCode === EXIT.gitClone;
}

function isKnown({
  result,
  hosts_final: isFinal,
  files_changed: isChanged,
}: Pick<PhaseRow, 'result' | 'hosts_final' | 'files_changed'>): boolean {
  const end = toEnd(result);
  return end !== undefined && isSuccess(end) && isFinal === 1 && isChanged === 0;
}

function toEnd(result: PhaseRow['result']): PhaseResult | undefined {
  return result === null ? undefined : (JSON.parse(result) as PhaseResult);
}

/** `ansible-2` runs layer 2. */
function toLayer(phase: string): number {
  return Number(phase.slice('ansible-'.length));
}

function toHosts(rows: readonly { readonly host: string }[] = []): ReadonlySet<string> {
  return new Set(rows.map(({ host }) => host));
}
