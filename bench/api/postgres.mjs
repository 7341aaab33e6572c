import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { pause } from '../../scripts/demo/service.mjs';
import { findFreePort } from '../../scripts/lib/ssh-host.mjs';

const DEBIAN = '/usr/lib/postgresql';
const READY_MS = 30_000;

/**
 * Starts a server for the benchmark on loopback, configured as by Debian: every commit is flushed to disk.
 * @param {string} directory @param {AbortSignal} signal
 */
export async function openPostgres(directory, signal) {
  const programs = findPrograms();
  const data = join(directory, 'postgres');
  const cluster = join(data, 'cluster');
  mkdirSync(cluster, { recursive: true });
  const user = findUser();
  if (user !== undefined)
    for (const path of [directory, data, cluster]) chownSync(path, user.uid, user.gid);
  const options = { ...user, cwd: cluster };
  execFileSync(
    join(programs, 'initdb'),
    ['-D', cluster, '-U', 'keelson', '-E', 'UTF8', '--locale=C.UTF-8', '-A', 'trust'],
    { ...options, stdio: 'pipe' },
  );
  const port = await findFreePort();
  const log = openSync(join(data, 'postgres.log'), 'a');
  const server = spawn(
    join(programs, 'postgres'),
    ['-D', cluster, '-p', String(port), '-k', cluster, '-c', 'listen_addresses=127.0.0.1'],
    { ...options, stdio: ['ignore', log, log] },
  );
  const url = `postgresql://keelson@127.0.0.1:${port}/postgres`;
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  pool.on('error', () => undefined);
  const isReady = () =>
    pool.query('select 1').then(
      () => true,
      () => false,
    );
  for (const deadline = Date.now() + READY_MS; !(await isReady()); await pause(signal)) {
    if (server.exitCode !== null || Date.now() > deadline) {
      throw new Error(
        `PostgreSQL did not start: ${readFileSync(join(data, 'postgres.log'), 'utf8')}`,
      );
    }
  }
  return {
    name: 'PostgreSQL',
    data,
    environment: { DATABASE_URL: url },
    /** @param {readonly string[]} statements */
    async execute(statements) {
      for (const statement of statements) await pool.query(statement);
      // Autovacuum would do this within a minute.
      await pool.query('vacuum analyze');
    },
    /** With indexes and all. Old row versions are vacuumed, as autovacuum does; the space they took still counts. */
    async measureSize() {
      await pool.query('vacuum');
      const { rows } = await pool.query('select pg_database_size(current_database()) as size');
      return Number(rows[0].size);
    },
    async close() {
      await pool.end();
      if (server.exitCode !== null) return;
      server.kill('SIGINT');
      await once(server, 'exit');
    },
  };
}

function findPrograms() {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).map(Number) : [];
  const newest = versions.sort((left, right) => right - left)[0];
  if (newest === undefined) throw new Error(`No PostgreSQL in ${DEBIAN}.`);
  return join(DEBIAN, String(newest), 'bin');
}

/** PostgreSQL refuses to be run by root. */
function findUser() {
  if (process.getuid?.() !== 0) return undefined;
  const line = /^postgres:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'));
  return { uid: Number(line?.[1] ?? 65534), gid: Number(line?.[2] ?? 65534) };
}
