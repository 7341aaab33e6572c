import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from '@jest/globals';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import { findFreePort } from '../support/ssh-host.js';
import { aNewSession } from '../support/store-builders.js';
import { openTemporal } from '../support/temporal.js';

const SWEEP = fileURLToPath(new URL('../../dist/commands/sweep.js', import.meta.url));

test('a sweep without a key file adds no key to the deployment and does not rebind it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-sweep-'));
  const path = join(directory, 'keelson.db');
  await (await openSqliteStore({ path })).close();
  const sweep = async (option: string, environment: Readonly<Record<string, string>> = {}) => {
    const env = {
      ...{ PATH: process.env['PATH'], KEELSON_DATA: directory },
      ...{ TEMPORAL_ADDRESS: `127.0.0.1:${await findFreePort()}`, ...environment },
    };
    const child = spawn(process.execPath, [SWEEP, option], { env });
    const [output] = await Promise.all([
      Promise.all([text(child.stdout), text(child.stderr)]),
      once(child, 'exit'),
    ]);
    return output.join('');
  };
  expect(await sweep('--dry-run')).not.toContain('MASTER_KEY_FILE');
  // Temporal, which `--rebind` asks before it writes, does not even answer.
  for (const option of ['--dry-run', '--rebind'])
    expect(await sweep(option, { IMS_URL: 'http://127.0.0.1:1' })).toContain(
      'MASTER_KEY_FILE: there is no',
    );
  expect(readdirSync(directory)).not.toContain('master.key');
  const store = await openSqliteStore({ path });
  expect(await store.masterKey.find()).toBeUndefined();
  await store.close();
  rmSync(directory, { recursive: true });
});

test('a sweep of a service without Temporal asks no other Temporal on this machine', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-sweep-'));
  await (await openSqliteStore({ path: join(directory, 'keelson.db') })).close();
  writeFileSync(join(directory, 'service.json'), '{"temporal":null,"images":null}');
  const { stderr, status } = spawnSync(process.execPath, [SWEEP, '--dry-run'], {
    env: { PATH: process.env['PATH'], KEELSON_DATA: directory },
    encoding: 'utf8',
  });
  expect(stderr).toContain('TEMPORAL_ADDRESS is not set');
  expect(status).toBe(1);
  rmSync(directory, { recursive: true });
});

test('a sweep that cannot read a record names it and exits with 1', async () => {
  const temporal = await openTemporal();
  const directory = mkdtempSync(join(tmpdir(), 'keelson-sweep-'));
  const path = join(directory, 'keelson.db');
  const store = await openSqliteStore({ path });
  const { jobId } = await store.sessions.insert(aNewSession('spoilt'));
  await store.sessions.recordDispatched(jobId, 'started');
  await store.close();
  const sweep = () =>
    spawnSync(process.execPath, [SWEEP, '--json'], {
      env: {
        ...{ PATH: process.env['PATH'], KEELSON_DATA: directory },
        TEMPORAL_ADDRESS: temporal.address,
      },
      encoding: 'utf8',
    });
  expect(sweep()).toMatchObject({ status: 0, stderr: '' });

  const database = new DatabaseSync(path);
  database.exec(`update sessions set request = '{'`);
  database.close();
  const { stdout, stderr, status } = sweep();
  expect(stderr).toContain('spoilt: a session could not be swept: ');
  expect(JSON.parse(stdout)).toMatchObject({ examined: 1, failures: [{ jobId }] });
  expect(status).toBe(1);
  await temporal.close();
  rmSync(directory, { recursive: true });
}, 60_000);
