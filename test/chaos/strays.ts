import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from '../support/cluster.js';

/** SQLite's own; which of them are there changes by itself. */
const DATABASE = /^keelson\.db(-wal|-shm|-journal)?$/;
/** What is in the directory of a job, the verdict on its session tells. */
const JOB = /^jobs(\/cfs-.+-[0-9a-f]{8})?$/;
/** Marks of workers; the next one that starts removes those of the dead. */
const WORKER = /^programs\/\.workers\/\d+$/;

/** Every file in the data directory but the database, what is in directories of jobs, and marks of workers. */
export function listData({ directory }: Cluster): readonly string[] {
  return list(join(directory, 'data'), '');
}

function list(data: string, folder: string): readonly string[] {
  const entries = readdirSync(join(data, folder), { withFileTypes: true });
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    // Python may compile a program later than the first job.
    if (DATABASE.test(path) || WORKER.test(path) || entry.name === '__pycache__') return [];
    if (path !== 'jobs' && JOB.test(path)) return [];
    // On a small disk, the directory of the jobs is a link.
    const within = entry.isDirectory() || path === 'jobs' ? list(data, path) : [];
    return JOB.test(path) ? within : [path, ...within];
  });
}
