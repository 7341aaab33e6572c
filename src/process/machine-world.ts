import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';

/** How long a container that is being replaced may take to end. */
const PATIENCE_MILLISECONDS = 15_000;
const POLL_MILLISECONDS = 200;
const BUSY = 5;

/**
 * Of several workers on one data directory each takes over the jobs of the others, and looks for their processes: where it
 * cannot see them, in another container or on another machine, all would seem lost. So the directory is held together with
 * those that see the same processes, and by nobody else. A lock of SQLite's, as that one also holds between containers and
 * goes with its process.
 */
export async function holdMachine(
  dataDirectory: string,
  world = readWorld(),
  patienceMilliseconds = PATIENCE_MILLISECONDS,
): Promise<{ close(): void }> {
  const database = new DatabaseSync(join(dataDirectory, 'machine-world.db'), { timeout: 0 });
  const deadline = performance.now() + patienceMilliseconds;
  try {
    // Where nobody else has it the first writes, and the second holds.
    while (!tryHold(database, world) && !tryHold(database, world)) {
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
function readWorld(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
}

/** Leaves a transaction open that has read, and so keeps everybody from writing for as long as this process lives. */
function tryHold(database: DatabaseSync, world: string): boolean {
  try {
    database.exec('begin');
    if (readHolder(database) === world) return true;
    database.exec('rollback; begin exclusive');
    database.exec('create table if not exists world (id text not null); delete from world');
    database.prepare('insert into world values (?)').run(world);
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
