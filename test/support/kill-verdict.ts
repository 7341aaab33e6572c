import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Client } from 'pg';
import type { Cluster } from './cluster.js';
import { PHASES, type KillSite } from './kill-site.js';
import { findLeftOfJob } from './left-of-job.js';
import { waitFor } from './wait.js';

/** What must be true of a session when it is over, whatever was killed meanwhile. Compare it with `untouched(cluster)`. */
export async function readVerdict(cluster: Cluster, site: KillSite, name: string) {
  const { status } = await cluster.find(name);
  const { succeeded, reason, message, job } = status.session;
  const jobId = job ?? '';
  const directory = join(cluster.directory, 'data', 'jobs', jobId);
  const phases = await cluster.phases(name);
  const logs = await Promise.all(
    PHASES.map((phase) => compareLog(cluster, name, directory, phase)),
  );
  return {
    succeeded,
    why: [reason, message],
    phases: phases.map((phase) => `${phase.name} ${phase.state} ${phase.exit_code}`),
    runs: site.runs(name),
    logs: [...new Set(logs)],
    left: [
      ...findLeftOfJob(cluster, jobId),
      ...(existsSync(directory) && !existsSync(join(directory, 'ended'))
        ? ['a directory without an end']
        : []),
      ...(await findRows(cluster, jobId)),
      ...(await findWorkflow(cluster, jobId)),
    ],
  };
}

export type Verdict = Awaited<ReturnType<typeof readVerdict>>;

/** The verdict once nothing is left: the workflow ends a moment after the record is complete. */
export async function awaitVerdict(cluster: Cluster, site: KillSite, name: string) {
  let verdict: Verdict | undefined;
  await waitFor(
    async () => {
      verdict = await readVerdict(cluster, site, name);
      return verdict.left.length === 0;
    },
    { what: `nothing to be left of ${name}` },
  ).catch((error: unknown) => {
    if (verdict === undefined) throw error;
  });
  return verdict;
}

/** The verdict on a session that shows no trace of anything killed. */
export function untouched({ hosts }: Cluster): Verdict {
  return {
    succeeded: 'true',
    why: [null, null],
    phases: PHASES.map((name) => `${name} ended 0`),
    runs: hosts.flatMap(({ name }) => [`${name} ansible-0`, `${name} ansible-1`]),
    logs: ['as in the job'],
    left: [],
  };
}

async function compareLog(cluster: Cluster, name: string, directory: string, phase: string) {
  const stored = await fetch(`${cluster.url}/v3/sessions/${name}/logs?phase=${phase}`);
  const path = join(directory, 'logs', `${phase}.log`);
  const hasBegun = existsSync(path);
  // The log of a phase that never began has at most what the worker wrote into it.
  if (!hasBegun && phase === 'inventory') return 'as in the job';
  const file = hasBegun ? readFileSync(path) : new Uint8Array();
  const bytes = stored.ok ? new Uint8Array(await stored.arrayBuffer()) : new Uint8Array();
  return sha256(bytes) === sha256(file) ? 'as in the job' : `differs in ${phase}`;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function findRows({ directory, environment }: Cluster, jobId: string) {
  const has = openDatabase(join(directory, 'data'), environment['DATABASE_URL']);
  const found: string[] = [];
  for (const table of ['staged_files', 'resources'])
    if (await has(`SELECT 1 FROM ${table} WHERE job_id = '${jobId}'`)) found.push(table);
  return found;
}

function openDatabase(data: string, url: string | undefined) {
  return async (query: string): Promise<boolean> => {
    if (url !== undefined) {
      const client = new Client({ connectionString: url });
      await client.connect();
      const { rows } = await client.query(query).finally(() => client.end());
      return rows.length > 0;
    }
    const database = new DatabaseSync(join(data, 'keelson.db'), { readOnly: true, timeout: 5000 });
    try {
      return database.prepare(query).get() !== undefined;
    } finally {
      database.close();
    }
  };
}

async function findWorkflow(cluster: Cluster, jobId: string): Promise<readonly string[]> {
  const client = await cluster.temporalClient();
  const { status } = await client.workflow.getHandle(jobId).describe();
  return status.name === 'RUNNING' ? ['an open workflow'] : [];
}
