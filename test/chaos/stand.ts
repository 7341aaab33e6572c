import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { stringify } from 'yaml';
import {
  startCluster,
  type Cluster,
  type ClusterOptions,
  type ManagedProcess,
} from '../support/cluster.js';
import { startHsmStandIn, type HsmStandIn } from '../support/hsm-stand-in.js';
import { createKillSite, type KillSite } from '../support/kill-site.js';
import { createSupervisorHold, type SupervisorHold } from '../support/kill-steps.js';
import { initdb, startPostgres, type PostgresServer } from '../support/postgres-server.js';
import { startReceiver, type Receiver } from '../support/receiver.js';

/** `small`: the database, but not the jobs, on a file system of its own that can be filled. */
export type StandKind = 'sqlite' | 'postgres' | 'small';

/** Everything that a session needs, and everything that can be broken. */
export interface Stand {
  readonly cluster: Cluster;
  /** Of the same machine; it runs only while a fault wants it to. */
  readonly secondWorker: ManagedProcess;
  readonly site: KillSite;
  readonly starts: SupervisorHold;
  readonly hsm: HsmStandIn;
  /** Is told by webhook of each session that ends. */
  readonly receiver: Receiver;
  readonly postgres?: PostgresServer;
  close(): Promise<void>;
}

const SMALL_DISK = '48m';

export async function openStand(kind: StandKind): Promise<Stand> {
  const hsm = await startHsmStandIn();
  hsm.content.groups = [{ label: 'lab', members: { ids: ['node1', 'node2'] } }];
  const receiver = await startReceiver();
  const webhooks = mkdtempSync(join(tmpdir(), 'keelson-chaos-webhooks-'));
  const webhooksFile = join(webhooks, 'webhooks.yaml');
  writeFileSync(webhooksFile, stringify([{ name: 'chaos', url: receiver.url }]));
  const starts = createSupervisorHold();
  const postgres = kind === 'postgres' ? await startPostgres() : undefined;
  const environment = {
    PYTHON: starts.python,
    INVENTORY_FILE: '',
    HSM_URL: hsm.url,
    WEBHOOKS_FILE: webhooksFile,
    ...(postgres === undefined ? {} : { DATABASE_URL: await postgres.createDatabase() }),
  };
  const cluster = await startCluster({ environment, ...(kind === 'small' ? ON_SMALL_DISK : {}) });
  const { worker: secondWorker } = await cluster.another('second', { JOB_API_URL: cluster.url });
  const site = await createKillSite(cluster);
  return {
    ...{ cluster, secondWorker, site, starts, hsm, receiver },
    ...(postgres === undefined ? {} : { postgres }),
    async close() {
      await site.close();
      await cluster.close();
      await postgres?.close();
      await hsm.close();
      await receiver.close();
      rmSync(webhooks, { recursive: true });
      starts.close();
    },
  };
}

/** What this machine lacks for a stand of this kind; undefined: nothing. */
export function findLack(kind: StandKind): string | undefined {
  if (kind === 'postgres' && initdb === undefined) return 'PostgreSQL is not installed';
  if (kind === 'small' && !canMount()) return 'no file system can be mounted here';
  return undefined;
}

/** Only root may, and not in every container. */
function canMount(): boolean {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-mount-'));
  try {
    mount(directory);
    execFileSync('umount', [directory]);
    return true;
  } catch {
    return false;
  } finally {
    rmdirSync(directory);
  }
}

function mount(directory: string): void {
  const options = ['-t', 'tmpfs', '-o', `size=${SMALL_DISK},mode=0700`];
  execFileSync('mount', [...options, 'keelson-chaos', directory], { stdio: 'pipe' });
}

const ON_SMALL_DISK: Pick<ClusterOptions, 'prepare'> = {
  prepare(directory) {
    const data = join(directory, 'data');
    const jobs = join(directory, 'jobs-elsewhere');
    mkdirSync(data);
    mkdirSync(jobs);
    mount(data);
    symlinkSync(jobs, join(data, 'jobs'));
    return () => execFileSync('umount', ['--lazy', data]);
  },
};

/** SQLite's, as one more process of it. */
export function openDatabase({ directory }: Cluster, timeoutMs: number): DatabaseSync {
  return new DatabaseSync(join(directory, 'data', 'keelson.db'), { timeout: timeoutMs });
}

/** SQLite's; the API shows it when the session is claimed. */
export function findJobId(cluster: Cluster, name: string): string {
  const database = openDatabase(cluster, 10_000);
  try {
    const row = database.prepare('SELECT job_id FROM sessions WHERE name = ?').get(name);
    return String(row?.['job_id']);
  } finally {
    database.close();
  }
}

/** Not a byte more fits on the file system of the data directory. Returns how to make room again. */
export function fillDisk({ directory }: Cluster): () => void {
  const filler = join(directory, 'data', 'filler');
  const file = openSync(filler, 'w');
  for (let size = 1 << 20; size > 0;) {
    try {
      writeSync(file, Buffer.alloc(size));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      size >>= 1;
    }
  }
  closeSync(file);
  return () => rmSync(filler);
}
