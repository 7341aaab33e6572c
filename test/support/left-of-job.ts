import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { findProcesses } from '../../scripts/lib/processes.mjs';
import { toJobToken } from '../../src/api/job-token.js';
import type { Cluster } from './cluster.js';

/** Lists what a job that is over must not leave on its machine: processes, secrets, and the folder of SSH's sockets. */
export function findLeftOfJob(cluster: Cluster, jobId: string): readonly string[] {
  const jobs = join(cluster.directory, 'data', 'jobs');
  const directory = join(jobs, jobId);
  return [
    ...findProcesses({ marks: [`KEELSON_JOB=${jobId}`] }).map((pid) => `process ${pid}`),
    ...['secrets', 'workspace/ssh/id_ecdsa'].filter((file) => existsSync(join(directory, file))),
    ...(existsSync(directory) ? findSecrets(directory, readSecrets(cluster, jobId)) : []),
    ...[toSocketFolder(jobs, jobId)].filter((folder) => existsSync(folder)),
  ];
}

/** A text that is only in the SSH key, and the job's token. */
function readSecrets({ directory, environment }: Cluster, jobId: string): readonly string[] {
  const key = readFileSync(environment['SSH_PRIVATE_KEY_FILE'] ?? '', 'utf8').split('\n');
  const file = environment['MASTER_KEY_FILE'] ?? join(directory, 'data', 'master.key');
  const masterKey = Buffer.from(readFileSync(file, 'utf8').trim(), 'hex');
  return [key[Math.floor(key.length / 2)] ?? '', toJobToken(masterKey, jobId)];
}

function findSecrets(directory: string, secrets: readonly string[]): readonly string[] {
  const { stdout } = spawnSync('grep', ['-rlF', '-f', '-', directory], {
    input: secrets.join('\n'),
    encoding: 'utf8',
  });
  return stdout
    .split('\n')
    .filter((file) => file !== '')
    .map((file) => `a secret in ${file}`);
}

function toSocketFolder(jobs: string, jobId: string): string {
  const path = join(existsSync(jobs) ? realpathSync(jobs) : jobs, jobId);
  return `/tmp/keelson-ssh-${createHash('sha256').update(path).digest('hex').slice(0, 12)}`;
}
