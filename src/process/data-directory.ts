import {
  existsSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { makeDirectory, toDirectoryFailure } from './directory.js';

/** How long the worker waits for a container that is being replaced to end. */
const PATIENCE_MILLISECONDS = 15_000;
const POLL_MILLISECONDS = 200;
const BUSY = 5;
/** One block of the disk. */
const PROBE_BYTES = 4096;
/**
 * In a path, Ansible takes `$` for a variable, `:` for the end of the path, `[` for a pattern of names, `{{` and `{#` for a
 * template; SSH does so with `%` and `"`; the dev server of Temporal with `%`.
 */
const MISREAD = /["$%:[]|\{[{#]/;

/** Makes the directory, but does not check that this process can write to it. */
export function makeDataDirectory(dataDirectory: string): void {
  try {
    makeDirectory(dataDirectory);
  } catch (error) {
    throw toDirectoryFailure('KEELSON_DATA', dataDirectory, error);
  }
}

/** Makes the directory if it does not exist, and checks that jobs can use its path and that this process can write to it. */
export function prepareDataDirectory(dataDirectory: string, { hasJobs = true } = {}): void {
  makeDataDirectory(dataDirectory);
  if (hasJobs) refuseMisread(dataDirectory);
  const probe = join(dataDirectory, `.probe-${process.pid}`);
  try {
    writeFileSync(probe, Buffer.alloc(PROBE_BYTES));
  } catch (error) {
    throw toDirectoryFailure('KEELSON_DATA', dataDirectory, error);
  } finally {
    if (existsSync(probe)) rmSync(probe, { force: true });
  }
}

function refuseMisread(dataDirectory: string): void {
  // Jobs use the path without symbolic links.
  const path = realpathSync(dataDirectory);
  const [found] = MISREAD.exec(path) ?? [];
  if (found !== undefined)
    throw new Error(
      `KEELSON_DATA: the path ${path} contains ${found}, which Ansible, SSH or Temporal would misread. Name a directory without " $ % : [ {{ and {# in its path.`,
    );
}

/**
 * Holds a data directory for the workers that see the same processes, and keeps all others out. Workers that share a directory
 * take over each other's jobs and look for their processes. A worker in another container or on another machine does not see
 * those processes, so it would find every job lost. The lock is one of SQLite's: it works across containers, and ends with its
 * process.
 */
export async function holdDataDirectory(
  dataDirectory: string,
  processes = readProcessNamespace(),
  patienceMilliseconds = PATIENCE_MILLISECONDS,
): Promise<{ close(): void }> {
  // The file keeps its old name, so that workers of earlier versions are kept out too.
  const database = new DatabaseSync(join(dataDirectory, 'machine-world.db'), { timeout: 0 });
  const deadline = performance.now() + patienceMilliseconds;
  try {
    // If nobody else holds the directory, the first call writes this worker's id and the second takes the lock.
    while (!tryHold(database, processes) && !tryHold(database, processes)) {
      if (performance.now() > deadline)
        throw new Error(
          `KEELSON_DATA: a worker in another container or on another machine uses ${dataDirectory}, and neither can see the other's jobs. Give each its own directory, with the same MASTER_KEY_FILE.`,
        );
      await delay(POLL_MILLISECONDS);
    }
  } catch (error) {
    database.close();
    throw error;
  }
  return { close: () => database.close() };
}

/** Identifies the set of processes that this one can see. It changes with each start of the machine or container. */
function readProcessNamespace(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
}

/** If it succeeds, it leaves a read transaction open, which keeps all others from writing for as long as this process lives. */
function tryHold(database: DatabaseSync, processes: string): boolean {
  try {
    database.exec('begin');
    if (readHolder(database) === processes) return true;
    database.exec('rollback; begin exclusive');
    database.exec('create table if not exists world (id text not null); delete from world');
    database.prepare('insert into world values (?)').run(processes);
    database.exec('commit');
  } catch (error) {
    if (database.isTransaction) database.exec('rollback');
    if (((error as { errcode?: number }).errcode ?? 0) % 256 !== BUSY) throw error;
  }
  return false;
}

function readHolder(database: DatabaseSync): unknown {
  const [table] = database.prepare("select 1 from sqlite_master where name = 'world'").all();
  return table && database.prepare('select id from world').get()?.['id'];
}
