import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { findProcesses } from '../../scripts/lib/processes.mjs';

/** Lists what a session must not leave behind when it is over: processes, staged files, unfinished undo, secrets. */
export function findLeftovers(data: string, job: string): readonly string[] {
  const directory = join(data, 'jobs', job);
  return [
    ...findProcesses({ marks: [`KEELSON_JOB=${job}`] }).map((pid) => `process ${pid}`),
    ...['secrets', 'workspace/ssh/id_ecdsa'].filter((file) => existsSync(join(directory, file))),
    ...readTables(data, job),
  ];
}

function readTables(data: string, job: string): readonly string[] {
  const database = new DatabaseSync(join(data, 'keelson.db'), { readOnly: true, timeout: 5000 });
  try {
    return ['staged_files', 'resources'].filter(
      (table) => database.prepare(`SELECT 1 FROM ${table} WHERE job_id = ?`).get(job) !== undefined,
    );
  } finally {
    database.close();
  }
}
