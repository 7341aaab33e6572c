import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TemporalConfig } from '../config/temporal.js';
import { searchAttributes } from '../workflows/messages.js';
import { superviseChild } from './child.js';
import { makeDataDirectory } from './data-directory.js';
import { isUnreadable, openDevServerFile, type DevServerFile } from './dev-server-file.js';
import {
  EndedError,
  endFormerServer,
  launchServer,
  launchUntilReady,
} from './dev-server-process.js';
import type { Logger } from './logger.js';

const RESTART_MS = 500;
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
  const start = async () => {
    const ports = {
      port: await findPort(port, 'TEMPORAL_PORT'),
      uiPort: await findPort(uiPort, 'TEMPORAL_UI_PORT'),
    };
    const command = { cli, args: toArguments(namespace, ports, file.path), identityFile };
    const address = `127.0.0.1:${ports.port}`;
    const server = await launchUntilReady(command, { address, namespace });
    return { command, address, server, uiUrl: `http://127.0.0.1:${ports.uiPort}` };
  };
  const { command, address, server, uiUrl } = await repeatStart(start, file, logger);
  logger.info({ address, pid: server.process.pid }, 'temporal dev server started');
  const supervisor = superviseChild(server, {
    launch: () => launchServer(command),
    onEnd: ({ stderr }, pauseMs) =>
      logger.error({ output: stderr(), pauseMs }, 'temporal dev server ended; starting it again'),
    // A machine may be short of memory, processes or disk space for a moment.
    onFailure: (error) => logger.error({ err: error }, 'temporal dev server cannot be started'),
  });
  return {
    address,
    uiUrl,
    async close() {
      await supervisor.close();
      rmSync(identityFile, { force: true });
    },
  };
}

/**
 * Besides the given ports the server picks some of its own, and another program may take one before the server binds it. A new
 * start picks others. A file that the server cannot read is set aside only once, because a second would replace the first.
 */
async function repeatStart<T>(
  start: () => Promise<T>,
  file: DevServerFile,
  logger: Logger,
): Promise<T> {
  let isSetAside = false;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start();
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

/**
 * By default, each commit of the server waits for the disk three times, and every activity is polled for separately. With these
 * settings a power failure may lose the last moments. The session records still have them: a workflow that was set back repeats
 * its steps and finds them done, and the worker has the signals sent again (`tellAgain`).
 */
export function toServerSettings(): string[] {
  return [
    ...['--sqlite-pragma', 'journal_mode=WAL'],
    ...['--sqlite-pragma', 'synchronous=NORMAL'],
    ...['--dynamic-config-value', 'frontend.namespaceRPS=5000'],
    ...['--dynamic-config-value', 'system.enableActivityEagerExecution=true'],
  ];
}

function toArguments(
  namespace: string,
  { port, uiPort }: Pick<TemporalConfig, 'port' | 'uiPort'>,
  file: string,
): string[] {
  const attributes = Object.values(searchAttributes).map(({ name }) => `${name}=Keyword`);
  return [
    ...['server', 'start-dev', '--namespace', namespace, '--db-filename', file],
    ...['--ip', '127.0.0.1', '--port', `${port}`, '--ui-port', `${uiPort}`],
    ...['--log-level', 'error', '--log-format', 'json'],
    ...toServerSettings(),
    ...attributes.flatMap((attribute) => ['--search-attribute', attribute]),
  ];
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
