import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import type { TemporalConfig } from '../config/temporal.js';
import {
  identify,
  isAlive,
  signalProcess,
  type ProcessIdentity,
} from '../runner/process-identity.js';
import { searchAttributes } from '../workflows/messages.js';
import { makeDataDirectory } from './data-directory.js';
import { isUnreadable, openDevServerFile, type DevServerFile } from './dev-server-file.js';
import type { Logger } from './logger.js';

const READY_MS = 60_000;
const STOP_MS = 15_000;
const RESTART_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** A server that has run for so long is started again after the shortest pause. */
const LASTING_MS = 60_000;
const START_ATTEMPTS = 3;

export interface DevServer {
  readonly address: string;
  readonly uiUrl: string;
  close(): Promise<void>;
}

/**
 * Starts a Temporal dev server as a child process. It keeps everything in one file of the data directory, which is replaced if
 * the server cannot read it. A dev server that a killed service left behind is ended first. One that dies is started again,
 * after a pause that grows while it dies soon; sessions and their jobs continue meanwhile.
 */
export async function startDevServer(
  { cli, namespace, port, uiPort }: TemporalConfig,
  dataDirectory: string,
  logger: Logger,
): Promise<DevServer> {
  makeDataDirectory(dataDirectory);
  const identityFile = join(dataDirectory, 'temporal-server.json');
  await endFormerServer(identityFile, logger);
  const file = await openDevServerFile(cli, dataDirectory, logger);
  const begin = async () => {
    const chosen = {
      port: await findPort(port, 'TEMPORAL_PORT'),
      ui: await findPort(uiPort, 'TEMPORAL_UI_PORT'),
    };
    const args = toArguments(namespace, chosen, file.path);
    const address = `127.0.0.1:${chosen.port}`;
    const server = await launchUntilReady(cli, args, identityFile, { address, namespace });
    return { args, address, server, ui: chosen.ui };
  };
  const started = await beginAgain(begin, file, logger);
  const { args, address } = started;
  let { server } = started;
  logger.info({ address, pid: server.child.pid }, 'temporal dev server started');
  const closing = new AbortController();
  const isClosing = () => closing.signal.aborted;
  // A machine may be short of memory, processes or disk space for a moment, so a failed start is only logged.
  const tellVain = (error: unknown) =>
    logger.error({ err: error }, 'temporal dev server cannot be started');
  const supervising = (async () => {
    let begunAt = performance.now();
    for (let pause = RESTART_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      await server.exit.catch(tellVain);
      if (isClosing()) return;
      if (performance.now() - begunAt > LASTING_MS) pause = RESTART_MS;
      logger.error(
        { output: server.stderr(), pauseMs: pause },
        'temporal dev server ended; starting it again',
      );
      await delay(pause, undefined, { signal: closing.signal }).catch(() => undefined);
      if (isClosing()) return;
      begunAt = performance.now();
      server = await launch(cli, args, identityFile).catch((error: unknown) => {
        tellVain(error);
        return server;
      });
    }
  })();
  return {
    address,
    uiUrl: `http://127.0.0.1:${started.ui}`,
    async close() {
      closing.abort();
      await stop(server);
      await supervising;
      rmSync(identityFile, { force: true });
    },
  };
}

/** The server ended by itself before it answered. */
class EndedError extends Error {}

/**
 * Besides the given ports the server picks some of its own, and another program may take one before the server binds it. A new
 * start picks others. A file that the server cannot read is set aside only once, because a second would replace the first.
 */
async function beginAgain<T>(
  begin: () => Promise<T>,
  file: DevServerFile,
  logger: Logger,
): Promise<T> {
  let isSetAside = false;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await begin();
    } catch (error) {
      if (!(error instanceof EndedError) || attempt === START_ATTEMPTS) throw error;
      if (isUnreadable(error.message) && !isSetAside) {
        file.setAside(error.message);
        isSetAside = true;
      } else logger.warn({ err: error }, 'temporal dev server did not start; starting it again');
      await delay(RESTART_MS);
    }
  }
}

interface Launched {
  readonly child: ChildProcess;
  readonly exit: Promise<unknown>;
  readonly stderr: () => string;
}

async function launchUntilReady(
  cli: string,
  args: readonly string[],
  identityFile: string,
  { address, namespace }: { readonly address: string; readonly namespace: string },
): Promise<Launched> {
  const server = await launch(cli, args, identityFile);
  const waiting = new AbortController();
  try {
    await Promise.race([
      waitUntilReady(address, namespace, waiting.signal),
      server.exit.then(() => failStart(server)),
    ]);
    return server;
  } catch (error) {
    await stop(server);
    throw error;
  } finally {
    waiting.abort();
  }
}

async function launch(
  cli: string,
  args: readonly string[],
  identityFile: string,
): Promise<Launched> {
  const child = spawn(cli, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    // Ctrl-C reaches the whole foreground process group; the server must outlive the worker's draining.
    detached: true,
  });
  const stderr = keepTail(child);
  // Not `exit`: at that event, stderr may not have been read to its end.
  const exit = once(child, 'close').catch((cause: unknown) => {
    throw new Error(`TEMPORAL_CLI: ${cli} cannot be started. Run npm run setup.`, { cause });
  });
  // A second Ctrl-C exits at once, without waiting for a start or a close. The server must end then too.
  const endAlong = () => void child.kill('SIGTERM');
  process.once('exit', endAlong);
  exit.finally(() => process.off('exit', endAlong)).catch(() => undefined);
  const launched = { child, exit, stderr };
  try {
    const identity = child.pid === undefined ? undefined : identify(child.pid);
    if (identity !== undefined) writeFileSync(identityFile, JSON.stringify(identity));
  } catch (error) {
    // Without its identity file nobody would find the server, and it would keep the port.
    await stop(launched);
    throw error;
  }
  return launched;
}

/** A service that was killed could not end its dev server, which still holds the port and the file. */
async function endFormerServer(identityFile: string, logger: Logger): Promise<void> {
  if (!existsSync(identityFile)) return;
  const identity = parseIdentity(readFileSync(identityFile, 'utf8'));
  if (identity === undefined || !isAlive(identity)) return;
  logger.warn(
    { pid: identity.pid },
    'an earlier service left a temporal dev server behind; ending it',
  );
  signalProcess(identity, 'SIGTERM');
  const deadline = performance.now() + STOP_MS;
  while (isAlive(identity)) {
    if (performance.now() > deadline) signalProcess(identity, 'SIGKILL');
    await delay(100);
  }
}

/** We wrote the file. After a power failure it may be empty or full of NUL, and then no process is left either. */
function parseIdentity(text: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(text) as ProcessIdentity;
  } catch {
    return undefined;
  }
}

/**
 * By default, each commit of the server waits for the disk three times, and every activity is polled for separately. With these
 * settings a power failure may lose the last moments. The session records still have them: a workflow that was set back repeats
 * its steps and finds them done, and the worker has the signals sent again (`tellAgain`).
 */
export function toServerSettings(): string[] {
  return [
    ...['journal_mode=WAL', 'synchronous=NORMAL'].flatMap((value) => ['--sqlite-pragma', value]),
    ...['frontend.namespaceRPS=5000', 'system.enableActivityEagerExecution=true'].flatMap(
      (value) => ['--dynamic-config-value', value],
    ),
  ];
}

function toArguments(
  namespace: string,
  { port, ui }: { port: number; ui: number },
  file: string,
): string[] {
  return [
    ...[
      'server',
      'start-dev',
      '--ip',
      '127.0.0.1',
      '--port',
      String(port),
      '--ui-port',
      String(ui),
    ],
    ...[
      '--namespace',
      namespace,
      '--db-filename',
      file,
      '--log-level',
      'error',
      '--log-format',
      'json',
    ],
    ...toServerSettings(),
    ...Object.values(searchAttributes).flatMap(({ name }) => [
      '--search-attribute',
      `${name}=Keyword`,
    ]),
  ];
}

async function waitUntilReady(
  address: string,
  namespace: string,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + READY_MS;
  for (;;) {
    try {
      const connection = await Connection.connect({ address, connectTimeout: 1000 });
      await connection.workflowService.describeNamespace({ namespace });
      await connection.close();
      return;
    } catch (error) {
      if (performance.now() > deadline)
        throw new Error(`Temporal did not answer at ${address} within ${READY_MS / 1000} s.`, {
          cause: error,
        });
      await delay(100, undefined, { signal });
    }
  }
}

function failStart({ child, stderr }: Launched): never {
  const end = child.signalCode ?? `exit code ${child.exitCode}`;
  throw new EndedError(`The Temporal dev server did not start (${end}): ${stderr()}`);
}

async function stop({ child, exit }: Launched): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await exit;
  clearTimeout(timer);
}

function keepTail(child: ChildProcess): () => string {
  let tail = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-4000);
  });
  return () => tail.trim();
}

/** Returns a free port for 0. Checks any other: a program that already listens there would answer in the server's place. */
async function findPort(wanted: number, variable: string): Promise<number> {
  const server = createServer().listen(wanted, '127.0.0.1');
  await once(server, 'listening').catch((cause: unknown) => {
    throw new Error(`${variable}: port ${wanted} is in use, or this user may not listen on it.`, {
      cause,
    });
  });
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
