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

/** `small`: SQLite on a small file system of its own, so that it can be filled. Jobs are elsewhere. */
export type StandKind = 'sqlite' | 'postgres' | 'small';

/** Everything that a session needs, and that faults can break. */
export interface Stand {
  readonly cluster: Cluster;
  /** On the same machine. Runs only while a fault needs it. */
  readonly secondWorker: ManagedProcess;
  readonly site: KillSite;
  readonly starts: SupervisorHold;
  readonly hsm: HsmStandIn;
  /** Receives the webhook calls at the end of each session. */
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

/** What this machine lacks for a stand of this kind; undefined if it lacks nothing. */
export function findLack(kind: StandKind): string | undefined {
  if (kind === 'postgres' && initdb === undefined) return 'PostgreSQL is not installed';
  if (kind === 'small' && !canMount()) return 'no file system can be mounted here';
  return undefined;
}

/** Tries it, because only root may mount, and not in every container. */
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

/** Opens SQLite's file as a further process would. */
export function openDatabase({ directory }: Cluster, timeoutMs: number): DatabaseSync {
  return new DatabaseSync(join(directory, 'data', 'keelson.db'), { timeout: timeoutMs });
}

/** Reads the job id from SQLite, because the API shows it only once the session is claimed. */
export function findJobId(cluster: Cluster, name: string): string {
  const database = openDatabase(cluster, 10_000);
  try {
    const row = database.prepare('SELECT job_id FROM sessions WHERE name = ?').get(name);
    return String(row?.['job_id']);
  } finally {
    database.close();
  }
}

/** Fills the file system of the data directory to the last byte. Returns a function that makes room again. */
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
