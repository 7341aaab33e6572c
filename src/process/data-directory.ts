import { existsSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { makeDirectory, toDirectoryFailure } from './directory.js';

/** How long a container that is being replaced may take to end. */
const PATIENCE_MILLISECONDS = 15_000;
const POLL_MILLISECONDS = 200;
const BUSY = 5;
/** A block of the disk. */
const PROBE_BYTES = 4096;

/** For who can do without writing to it. */
export function makeDataDirectory(dataDirectory: string): void {
  try {
    makeDirectory(dataDirectory);
  } catch (error) {
    throw toDirectoryFailure('KEELSON_DATA', dataDirectory, error);
  }
}

/** Makes the directory where it is not there, and makes sure that this process can write to it. */
export function prepareDataDirectory(dataDirectory: string): void {
  makeDataDirectory(dataDirectory);
  const probe = join(dataDirectory, `.probe-${process.pid}`);
  try {
    writeFileSync(probe, Buffer.alloc(PROBE_BYTES));
  } catch (error) {
    throw toDirectoryFailure('KEELSON_DATA', dataDirectory, error);
  } finally {
    if (existsSync(probe)) rmSync(probe, { force: true });
  }
}

/**
 * Holds a data directory for the workers that see the same processes, and keeps all others out. Of several workers on one
 * directory each takes over the jobs of the others, and looks for their processes. A worker in another container, or on another
 * machine, cannot see those, so it would find every job lost. The lock is one of SQLite's, which holds between containers too, and
 * goes with its process.
 */
export async function holdDataDirectory(
  dataDirectory: string,
  processes = readProcessNamespace(),
  patienceMilliseconds = PATIENCE_MILLISECONDS,
): Promise<{ close(): void }> {
  // The file keeps its name, so that workers of earlier versions are kept out too.
  const database = new DatabaseSync(join(dataDirectory, 'machine-world.db'), { timeout: 0 });
  const deadline = performance.now() + patienceMilliseconds;
  try {
    // Unless somebody else holds the directory, the first call writes who we are, and the second takes it.
    while (!tryHold(database, processes) && !tryHold(database, processes)) {
      if (performance.now() > deadline)
        throw new Error(
          `KEELSON_DATA: a worker in another container or on another machine has ${dataDirectory}, and neither sees the other's jobs. Each needs a directory of its own, with the same MASTER_KEY_FILE.`,
        );
      await delay(POLL_MILLISECONDS);
    }
  } catch (error) {
    database.close();
    throw error;
  }
  return { close: () => database.close() };
}

/** Names the set of processes that we can see. It is another one after each start of the machine or of its container. */
function readProcessNamespace(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
}

/** Leaves a transaction open that has read, and so keeps everybody from writing for as long as this process lives. */
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
