import type { Connection } from '../database/database.js';
import type { StoreDialect } from '../database/dialect.js';

/** What Ansible has reported of the hosts of one session. */
export interface SessionReports {
  /** Index of a layer → the hosts that have a result. Only layers of which all results are known, and count for the commit. */
  readonly layers: ReadonlyMap<number, ReadonlySet<string>>;
  readonly failed: ReadonlySet<string>;
}

export const NO_REPORTS: SessionReports = { layers: new Map(), failed: new Set() };

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
    .select(['job_id', 'name', 'position', 'hosts_final', 'files_changed'])
    .where((eb) => dialect.isOneOfFew(eb.ref('job_id'), texts))
    .where('kind', '=', 'ansible')
    .execute();
  const results = await db
    .selectFrom('host_results')
    .select(['job_id', 'position', 'host', 'failed', 'unreachable'])
    .where((eb) => dialect.isOneOfFew(eb.ref('job_id'), texts))
    .execute();
  const byJob = Map.groupBy(results, (row) => row.job_id);
  const toReports = (jobId: string): SessionReports => {
    const rows = byJob.get(jobId) ?? [];
    const hostsAt = Map.groupBy(rows, ({ position }) => position);
    const layers = phases
      .filter((phase) => phase.job_id === jobId && phase.hosts_final === 1)
      .filter((phase) => phase.files_changed === 0)
      .map(({ name, position }) => [toLayer(name), toHosts(hostsAt.get(position))] as const);
    const failed = rows.filter((row) => row.failed > 0 || row.unreachable > 0);
    return { layers: new Map(layers), failed: toHosts(failed) };
  };
  return new Map(jobIds.map((jobId) => [jobId, toReports(jobId)]));
}

/** `ansible-2` runs layer 2. */
function toLayer(phase: string): number {
  return Number(phase.slice('ansible-'.length));
}

function toHosts(rows: readonly { readonly host: string }[] = []): ReadonlySet<string> {
  return new Set(rows.map(({ host }) => host));
}
