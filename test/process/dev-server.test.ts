import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Connection } from '@temporalio/client';
import { pino } from 'pino';
import { parseConfig } from '../../src/config.js';
import { startDevServer } from '../../src/process/dev-server.js';
import { findProcesses } from '../../scripts/lib/processes.mjs';
import { isDead, readProcess } from '../../src/runner/process-identity.js';
import { findFreePort } from '../support/ssh-host.js';
import { waitFor } from '../support/wait.js';

const MODULE = fileURLToPath(new URL('../../dist/process/dev-server.js', import.meta.url));
const silent = pino({ level: 'silent' });

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-dev-server-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const configure = (port: number) =>
  parseConfig({ ...process.env, TEMPORAL_PORT: String(port), TEMPORAL_UI_PORT: '0' }).temporal;

const readPid = () =>
  (JSON.parse(readFileSync(join(directory, 'temporal-server.json'), 'utf8')) as { pid: number })
    .pid;

/** The process that adopted it may not have reaped it yet. */
function isGone(pid: number): boolean {
  const stat = readProcess(pid);
  return stat === undefined || isDead(stat);
}

async function answers(address: string): Promise<boolean> {
  const connection = await Connection.connect({ address, connectTimeout: 1000 });
  await connection.close();
  return true;
}

describe('startDevServer', () => {
  test('restarts a server that dies, at the same address', async () => {
    const server = await startDevServer(configure(0), directory, silent);
    const first = readPid();
    process.kill(first, 'SIGKILL');
    await waitFor(() => readPid() !== first, { what: 'another server' });
    await waitFor(() => answers(server.address), { what: 'its answer' });
    await server.close();
    expect(isGone(first)).toBe(true);
  });

  test('starts although a power failure has damaged the file with the identity of the last server', async () => {
    writeFileSync(join(directory, 'temporal-server.json'), '\0'.repeat(80));
    const server = await startDevServer(configure(0), directory, silent);
    expect(await answers(server.address)).toBe(true);
    await server.close();
  });

  test('says in one sentence that its directory cannot be created', async () => {
    await expect(startDevServer(configure(0), '/proc/keelson/data', silent)).rejects.toThrow(
      'KEELSON_DATA: the directory /proc/keelson/data cannot be written to (ENOENT).',
    );
  });

  test('leaves no server whose identity could not be written, and tries again', async () => {
    const place = join(directory, 'temporal-server.json');
    const lead = (to: string) => symlinkSync(to, place);
    const findServers = () => findProcesses({ texts: [join(directory, 'temporal.db')] });
    lead(join(directory, 'nowhere', 'file'));
    await expect(startDevServer(configure(0), directory, silent)).rejects.toThrow('ENOENT');
    expect(findServers()).toEqual([]);

    rmSync(place);
    const lines: string[] = [];
    const logger = pino({ level: 'error' }, { write: (line) => void lines.push(line) });
    const server = await startDevServer(configure(0), directory, logger);
    const first = readPid();
    rmSync(place);
    lead(join(directory, 'nowhere', 'file'));
    process.kill(first, 'SIGKILL');
    await waitFor(() => lines.some((line) => line.includes('cannot be started')));
    rmSync(place);
    await waitFor(() => answers(server.address), { what: 'its answer' });
    await server.close();
    expect(findServers()).toEqual([]);
  });

  test('retries until the server can be started again', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'error' }, { write: (line) => void lines.push(line) });
    const cli = join(directory, 'temporal');
    symlinkSync(configure(0).cli, cli);
    const server = await startDevServer({ ...configure(0), cli }, directory, logger);
    rmSync(cli);
    process.kill(readPid(), 'SIGKILL');
    await waitFor(() => lines.some((line) => line.includes('cannot be started')), {
      what: 'a try that fails',
    });
    symlinkSync(configure(0).cli, cli);
    await waitFor(() => answers(server.address), { what: 'its answer' });
    await server.close();
  });

  test('pauses longer and longer while the server ends again at once', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'error' }, { write: (line) => void lines.push(line) });
    const cli = join(directory, 'temporal');
    symlinkSync(configure(0).cli, cli);
    const server = await startDevServer({ ...configure(0), cli }, directory, logger);
    rmSync(cli);
    writeFileSync(cli, '#!/bin/sh\nexit 7', { mode: 0o755 });
    process.kill(readPid(), 'SIGKILL');
    const readPauses = () =>
      lines.flatMap((line) => (JSON.parse(line) as { pauseMs?: number }).pauseMs ?? []);
    await waitFor(() => readPauses().length === 4, { what: 'four ends' });
    expect(readPauses()).toEqual([500, 1000, 2000, 4000]);
    await server.close();
  });

  describe('whose server ends before it answers', () => {
    /** Ends this many times, then runs the real program. */
    const aFailing = (times: number) => {
      const cli = join(directory, 'temporal');
      const script = `#!/bin/sh
        if [ "$1" = server ]; then
          echo start >> ${join(directory, 'starts')}
          if [ "$(wc -l < ${join(directory, 'starts')})" -le ${times} ]; then
            echo 'Error: bind: address already in use' >&2
            exit 7
          fi
        fi
        exec ${configure(0).cli} "$@"`;
      writeFileSync(cli, script, { mode: 0o755 });
      return { ...configure(0), cli };
    };

    test('starts it again, because another program may have taken one of its own ports', async () => {
      const lines: string[] = [];
      const logger = pino({ level: 'warn' }, { write: (line) => void lines.push(line) });
      const server = await startDevServer(aFailing(1), directory, logger);
      expect(await answers(server.address)).toBe(true);
      await server.close();
      expect(lines).toEqual([expect.stringContaining('address already in use')]);
    });

    test('says how it ended and what it printed, if it never answers', async () => {
      await expect(startDevServer(aFailing(10), directory, silent)).rejects.toThrow(
        'The Temporal dev server did not start (exit code 7): Error: bind: address already in use',
      );
    });
  });

  /** A separate process that starts the server. */
  const spawnElsewhere = (config: object) => {
    const script = `
      process.on('SIGINT', () => process.exit(130));
      const { startDevServer } = await import(${JSON.stringify(MODULE)});
      const logger = { info() {}, warn() {}, error() {} };
      await startDevServer(${JSON.stringify(config)}, ${JSON.stringify(directory)}, logger);
      process.stdout.write('ready');`;
    return spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, DATABASE_URL: 'postgresql://u:hidden@host/db', PGPASSWORD: 'hidden' },
    });
  };

  const startElsewhere = async (port: number) => {
    const service = spawnElsewhere(configure(port));
    await once(service.stdout, 'data');
    return service;
  };

  test('keeps the password of the database from the server, and ends it with a process that exits without waiting', async () => {
    const service = await startElsewhere(0);
    const left = readPid();
    const variables = readFileSync(`/proc/${left}/environ`, 'utf8');
    expect(variables).toContain('PATH=');
    expect(variables).not.toContain('hidden');
    service.kill('SIGINT');
    await once(service, 'exit');
    await waitFor(() => isGone(left), { what: 'the end of the server' });
  });

  test('ends the server with a process that exits while it starts', async () => {
    const cli = join(directory, 'hanging');
    const script = `#!/bin/sh
      if [ "$1" = server ]; then exec sleep 1000; fi
      exec ${configure(0).cli} "$@"`;
    writeFileSync(cli, script, { mode: 0o755 });
    const service = spawnElsewhere({ ...configure(0), cli });
    const identity = join(directory, 'temporal-server.json');
    // The file is there a moment before its content.
    await waitFor(() => existsSync(identity) && readFileSync(identity).length > 0, {
      what: 'the server that does not answer',
    });
    const left = readPid();
    service.kill('SIGINT');
    await once(service, 'exit');
    await waitFor(() => isGone(left), { what: 'the end of the server' }).finally(() => {
      if (!isGone(left)) process.kill(left);
    });
  });

  test('ends a server that a killed service left behind, and takes its place', async () => {
    const port = await findFreePort();
    const service = await startElsewhere(port);
    const orphan = readPid();
    service.kill('SIGKILL');
    await once(service, 'exit');
    const server = await startDevServer(configure(port), directory, silent);
    expect(readPid()).not.toBe(orphan);
    expect(isGone(orphan)).toBe(true);
    await server.close();
  });

  test('keeps its file, unless it cannot read it or another version made it', async () => {
    const lines: object[] = [];
    const logger = pino(
      { level: 'warn' },
      { write: (line) => void lines.push(JSON.parse(line) as object) },
    );
    const readId = async () => {
      const server = await startDevServer(configure(0), directory, logger);
      const connection = await Connection.connect({ address: server.address });
      const { namespaceInfo } = await connection.workflowService.describeNamespace({
        namespace: 'default',
      });
      await connection.close();
      await server.close();
      return namespaceInfo?.id;
    };
    const garbage = randomBytes(20_000);
    writeFileSync(join(directory, 'temporal.db'), garbage);
    const first = await readId();
    const file = join(directory, 'temporal.db.old');
    expect(readFileSync(file)).toEqual(garbage);
    expect(lines).toMatchObject([{ file, why: expect.stringContaining('not a database') }]);

    expect(await readId()).toBe(first);
    writeFileSync(join(directory, 'temporal-version'), 'Server 1.0.0\n');
    expect(await readId()).not.toBe(first);
    expect(lines.slice(1)).toMatchObject([
      { file, why: expect.stringContaining('made by Server 1.0.0') },
    ]);
  });

  test('fails if another program uses its port, even if that answers', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    await expect(startDevServer(configure(port), directory, silent)).rejects.toThrow(
      `TEMPORAL_PORT: port ${port} is in use`,
    );
    taken.close();
  });
});
