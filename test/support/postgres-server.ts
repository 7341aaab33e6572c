import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { endingWithUs } from '../../scripts/lib/processes.mjs';
import { findTools } from '../../scripts/lib/tools.mjs';
import { findFreePort } from './ssh-host.js';
import { waitFor } from './wait.js';

export const { initdb } = findTools(process.env);
const PASSWORD = 'planted-db-password';

/** A real server for one test, on loopback. */
export interface PostgresServer {
  readonly port: number;
  /** Holds the server's files, and is removed with everything that a test puts there. */
  readonly directory: string;
  /** The URL of a new, empty database. */
  createDatabase(): Promise<string>;
  /** Runs as superuser in the database of the URL, or in `postgres`. */
  query(sql: string, url?: string): Promise<readonly Record<string, unknown>[]>;
  start(): Promise<void>;
  /** Ends connections with 57P01. */
  stop(): Promise<void>;
  /** Kills every process of the server at once, as a power failure does. */
  kill(): Promise<void>;
  /** The server answers nothing and closes nothing. Returns how to thaw it. */
  freeze(): () => void;
  /** Like a server that is no longer the primary. */
  setReadOnly(isReadOnly: boolean): Promise<void>;
  close(): Promise<void>;
}

export async function startPostgres(settings: readonly string[] = []): Promise<PostgresServer> {
  if (initdb === undefined) throw new Error('PostgreSQL is not installed: no initdb.');
  const directory = mkdtempSync(join(tmpdir(), 'keelson-postgres-'));
  const user = findUser();
  if (user !== undefined) chownSync(directory, user.uid, user.gid);
  const data = join(directory, 'data');
  const options = { ...user, cwd: directory, env: { PATH: process.env['PATH'], LANG: 'C' } };
  execFileSync(
    initdb,
    ['-D', data, '-U', 'postgres', '-E', 'UTF8', '--locale=C.UTF-8', '-A', 'trust', '--no-sync'],
    { ...options, stdio: 'pipe' },
  );
  const port = await findFreePort();
  const postgres = join(dirname(initdb), 'postgres');
  const run = () => {
    const command = [postgres, ...toArguments(data, directory, port, settings)];
    // Does not wait until nobody is connected.
    const [program, ...words] = endingWithUs(command, 'QUIT');
    return spawn(program, words, { ...options, stdio: 'ignore' });
  };
  const server = createServer(run, { port, directory, data });
  await server.start();
  await server.query(`create role keelson login createdb password '${PASSWORD}'`);
  return server;
}

function toArguments(data: string, directory: string, port: number, settings: readonly string[]) {
  const all = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${directory}`,
    'logging_collector=on',
    `log_directory=${directory}`,
    'log_filename=server.log',
    // Data survives a kill of the server even so; only a power failure of the machine needs fsync.
    'fsync=off',
    ...settings,
  ];
  return ['-D', data, ...all.flatMap((setting) => ['-c', setting])];
}

/** A user to run the server as, because PostgreSQL refuses to run as root. */
function findUser(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const line = /^(?:postgres|nobody):[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'));
  return { uid: Number(line?.[1] ?? 65534), gid: Number(line?.[2] ?? 65534) };
}

interface Place {
  readonly port: number;
  readonly directory: string;
  readonly data: string;
}

function createServer(run: () => ChildProcess, { port, directory, data }: Place): PostgresServer {
  let child: ChildProcess | undefined;
  let databases = 0;
  const end = () => {
    if (child !== undefined) signalAll(child, 'SIGKILL');
  };
  process.on('exit', end);
  const toUrl = (user: string, database: string) =>
    `postgresql://${user}:${PASSWORD}@127.0.0.1:${port}/${database}`;
  const query: PostgresServer['query'] = async (sql, url) => {
    const database = url === undefined ? 'postgres' : new URL(url).pathname.slice(1);
    const client = new Client({ connectionString: toUrl('postgres', database) });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  };
  const untilGone = async (signal: (running: ChildProcess) => void) => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const gone = once(running, 'exit');
    signal(running);
    await gone;
  };
  return {
    port,
    directory,
    query,
    async createDatabase() {
      databases += 1;
      const name = `keelson_${databases}`;
      await query(`create database ${name} owner keelson`);
      return toUrl('keelson', name);
    },
    async start() {
      const started = run();
      child = started;
      const ended = once(started, 'exit').then(() => {
        throw new Error(`PostgreSQL ended: ${readFileSync(join(directory, 'server.log'), 'utf8')}`);
      });
      ended.catch(() => undefined);
      const ready = waitFor(() => query('select 1'), {
        what: 'PostgreSQL to start',
      });
      await Promise.race([ready, ended]);
    },
    stop: () => untilGone((running) => running.kill('SIGINT')),
    async kill() {
      const processes = child === undefined ? [] : listProcesses(child);
      await untilGone((running) => signalAll(running, 'SIGKILL'));
      await waitFor(() => processes.every((pid) => !existsSync(`/proc/${pid}/root`)), {
        what: 'the processes of PostgreSQL to be gone',
      });
      rmSync(join(data, 'postmaster.pid'), { force: true });
    },
    freeze() {
      const frozen = child;
      if (frozen !== undefined) signalAll(frozen, 'SIGSTOP');
      return () => {
        if (frozen !== undefined) signalAll(frozen, 'SIGCONT');
      };
    },
    async setReadOnly(isReadOnly) {
      const value = isReadOnly ? 'on' : 'off';
      await query(`alter system set default_transaction_read_only = ${value}`);
      await query('select pg_reload_conf()');
      await waitFor(
        async () =>
          (await query('show default_transaction_read_only'))[0]?.[
            'default_transaction_read_only'
          ] === value,
      );
    },
    async close() {
      await untilGone((running) => running.kill('SIGINT'));
      process.off('exit', end);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Server processes have their own process groups, so they are found by their parent. */
function listProcesses({ pid }: ChildProcess): readonly number[] {
  if (pid === undefined) return [];
  const file = `/proc/${pid}/task/${pid}/children`;
  const children = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  return [pid, ...(children === '' ? [] : children.split(' ').map(Number))];
}

function signalAll(child: ChildProcess, signal: NodeJS.Signals): void {
  for (const pid of listProcesses(child)) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended by itself meanwhile.
    }
  }
}
