import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import type { TemporalConfig } from '../config.js';
import { searchAttributes } from '../workflows/messages.js';
import type { Logger } from './logger.js';

const READY_MS = 30_000;
const STOP_MS = 15_000;

export interface DevServer {
  readonly address: string;
  readonly uiUrl: string;
  readonly pid: number;
  /** Rejects when it ends without having been closed. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

/** A Temporal dev server as a child process: all it knows is in one file of the data directory. */
export async function startDevServer(
  { cli, namespace, port, uiPort }: TemporalConfig,
  dataDirectory: string,
  logger: Logger,
): Promise<DevServer> {
  mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
  const chosen = {
    port: port === 0 ? await findFreePort() : port,
    ui: uiPort === 0 ? await findFreePort() : uiPort,
  };
  const child = spawn(cli, toArguments(namespace, chosen, join(dataDirectory, 'temporal.db')), {
    stdio: ['ignore', 'ignore', 'pipe'],
    // Ctrl-C reaches the whole foreground group; the server must outlive the worker's draining.
    detached: true,
  });
  const stderr = keepTail(child);
  const exit = once(child, 'exit').catch((error: unknown) => {
    throw new Error(`TEMPORAL_CLI: ${cli} cannot be started. Run npm run setup.`, { cause: error });
  });
  const address = `127.0.0.1:${chosen.port}`;
  try {
    await Promise.race([waitUntilReady(address, namespace), exit.then(() => failStart(stderr()))]);
  } catch (error) {
    await stop(child, exit);
    throw error;
  }
  logger.info({ address, pid: child.pid }, 'temporal dev server started');
  let closing = false;
  const ended = exit.then(() => {
    if (!closing) throw new Error(`The Temporal dev server ended: ${stderr()}`);
  });
  ended.catch(() => undefined);
  return {
    address,
    uiUrl: `http://127.0.0.1:${chosen.ui}`,
    pid: child.pid ?? 0,
    ended,
    async close() {
      closing = true;
      await stop(child, exit);
    },
  };
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
    ...['--dynamic-config-value', 'frontend.namespaceRPS=5000'],
    ...Object.values(searchAttributes).flatMap(({ name }) => [
      '--search-attribute',
      `${name}=Keyword`,
    ]),
  ];
}

async function waitUntilReady(address: string, namespace: string): Promise<void> {
  const deadline = Date.now() + READY_MS;
  for (;;) {
    try {
      const connection = await Connection.connect({ address, connectTimeout: 1000 });
      await connection.workflowService.describeNamespace({ namespace });
      await connection.close();
      return;
    } catch (error) {
      if (Date.now() > deadline)
        throw new Error(`Temporal did not answer at ${address} within 30 s.`, { cause: error });
      await delay(100);
    }
  }
}

function failStart(stderr: string): never {
  throw new Error(`The Temporal dev server did not start: ${stderr}`);
}

async function stop(child: ChildProcess, exit: Promise<unknown>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await exit.catch(() => undefined);
  clearTimeout(timer);
}

function keepTail(child: ChildProcess): () => string {
  let tail = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-4000);
  });
  return () => tail.trim();
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
