import type { Selectable } from 'kysely';
import { isSuccess, type PhaseResult } from '../../core/job.js';
import type { Connection } from '../database/database.js';
import type { StoreDialect } from '../database/dialect.js';
import type { Schema } from '../database/schema.js';

/** What is known of the hosts of one session. */
export interface SessionReports {
  /**
   * Index of a layer → the hosts that have a result. Only layers whose playbook succeeded, of which all results are known,
   * and count for the commit.
   */
  readonly layers: ReadonlyMap<number, ReadonlySet<string>>;
  readonly failed: ReadonlySet<string>;
  /** Hosts that the limit names and the inventory does not have. */
  readonly missing: ReadonlySet<string>;
}

export const NO_REPORTS: SessionReports = {
  layers: new Map(),
  failed: new Set(),
  missing: new Set(),
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
    .select(['job_id', 'name', 'position', 'result', 'hosts_final', 'files_changed'])
    .where((eb) => dialect.isOneOfFew(eb.ref('job_id'), texts))
    .where('kind', '=', 'ansible')
    .execute();
  const results = await db
    .selectFrom('host_results')
    .select(['job_id', 'position', 'phase', 'host', 'failed', 'unreachable'])
    .where((eb) => dialect.isOneOfFew(eb.ref('job_id'), texts))
    .execute();
  const byJob = Map.groupBy(results, (row) => row.job_id);
  const toReports = (jobId: string): SessionReports => {
    const rows = byJob.get(jobId) ?? [];
    const hostsAt = Map.groupBy(rows, ({ position }) => position);
    const layers = phases
      .filter((phase) => phase.job_id === jobId && isKnown(phase))
      .map(({ name, position }) => [toLayer(name), toHosts(hostsAt.get(position))] as const);
    return {
      layers: new Map(layers),
      failed: toHosts(rows.filter((row) => row.failed > 0 || row.unreachable > 0)),
      missing: toHosts(rows.filter(({ phase }) => phase === 'inventory')),
    };
  };
  return new Map(jobIds.map((jobId) => [jobId, toReports(jobId)]));
}

function isKnown({
  result,
  hosts_final: isFinal,
  files_changed: isChanged,
}: Pick<Selectable<Schema['phases']>, 'result' | 'hosts_final' | 'files_changed'>): boolean {
  const end = result === null ? undefined : (JSON.parse(result) as PhaseResult);
  return end !== undefined && isSuccess(end) && isFinal === 1 && isChanged === 0;
}

/** `ansible-2` runs layer 2. */
function toLayer(phase: string): number {
  return Number(phase.slice('ansible-'.length));
}

function toHosts(rows: readonly { readonly host: string }[] = []): ReadonlySet<string> {
  return new Set(rows.map(({ host }) => host));
}
