import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { findProcesses } from '../../scripts/lib/processes.mjs';
import type { Cluster } from './cluster.js';
import { PHASES, type KillSite } from './kill-site.js';

/** What is to be true of a session when it is over, whatever died meanwhile; compare with `untouched(cluster)`. */
export async function readVerdict(cluster: Cluster, site: KillSite, name: string) {
  const { status } = await cluster.find(name);
  const { succeeded, reason, message, job } = status.session;
  const jobId = job ?? '';
  const directory = join(cluster.directory, 'data', 'jobs', jobId);
  const phases = await cluster.phases(name);
  const logs = await Promise.all(
    PHASES.map(async (phase) => {
      const stored = await fetch(`${cluster.url}/v3/sessions/${name}/logs?phase=${phase}`);
      const path = join(directory, 'logs', `${phase}.log`);
      // A phase that never began has none.
      const file = existsSync(path) ? readFileSync(path) : new Uint8Array();
      return sha256(new Uint8Array(await stored.arrayBuffer())) === sha256(file)
        ? 'as in the job'
        : `differs in ${phase}`;
    }),
  );
  return {
    succeeded,
    why: [reason, message],
    phases: phases.map((phase) => `${phase.name} ${phase.state} ${phase.exit_code}`),
    runs: site.runs(name),
    logs: [...new Set(logs)],
    left: [
      ...findProcesses({ marks: [`KEELSON_JOB=${jobId}`] }).map((pid) => `process ${pid}`),
      ...['secrets', 'workspace/ssh/id_ecdsa'].filter((file) => existsSync(join(directory, file))),
      ...readdirSync(join(cluster.directory, 'data', 'jobs')).filter((file) =>
        file.startsWith('.'),
      ),
      ...countRows(join(cluster.directory, 'data'), jobId),
    ],
  };
}

/** The verdict on a session of which nothing shows that anything died. */
export function untouched({ hosts }: Cluster) {
  return {
    succeeded: 'true',
    why: [null, null],
    phases: PHASES.map((name) => `${name} ended 0`),
    runs: hosts.flatMap(({ name }) => [`${name} ansible-0`, `${name} ansible-1`]),
    logs: ['as in the job'],
    left: [],
  };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function countRows(data: string, jobId: string): readonly string[] {
  const database = new DatabaseSync(join(data, 'keelson.db'), { readOnly: true });
  try {
    return ['staged_files', 'resources'].filter(
      (table) =>
        database.prepare(`SELECT 1 FROM ${table} WHERE job_id = ?`).get(jobId) !== undefined,
    );
  } finally {
    database.close();
  }
}
