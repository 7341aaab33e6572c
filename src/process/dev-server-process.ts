import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import {
  identify,
  isAlive,
  signalProcess,
  type ProcessIdentity,
} from '../runner/process-identity.js';
import { stopChild, toChildEnvironment, type Child } from './child.js';
import type { Logger } from './logger.js';

const READY_MS = 60_000;
const STOP_MS = 15_000;
const TAIL_CHARACTERS = 4000;

export interface ServerCommand {
  readonly cli: string;
  readonly args: readonly string[];
  /** Receives the identity of the process, so that it is found if this one is killed. */
  readonly identityFile: string;
}

export interface ServerProcess extends Child {
  /** The end of its standard error. */
  readonly stderr: () => string;
}

/** The server ended by itself before it answered. */
export class EndedError extends Error {}

export async function launchServer({
  cli,
  args,
  identityFile,
}: ServerCommand): Promise<ServerProcess> {
  const child = spawn(cli, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: toChildEnvironment(),
    // Ctrl-C reaches the whole foreground process group; the server must outlive the worker's draining.
    detached: true,
  });
  const stderr = keepTail(child);
  // Not `exit`: at that event, stderr may not have been read to its end.
  const ended = once(child, 'close').catch((cause: unknown) => {
    throw new Error(`TEMPORAL_CLI: ${cli} cannot be started. Run npm run setup.`, { cause });
  });
  // A second Ctrl-C exits at once, without waiting for a start or a close. The server must end then too.
  const endAlong = () => void child.kill('SIGTERM');
  process.once('exit', endAlong);
  ended.finally(() => process.off('exit', endAlong)).catch(() => undefined);
  const server = { process: child, ended, stderr };
  try {
    const identity = child.pid === undefined ? undefined : identify(child.pid);
    if (identity !== undefined) writeFileSync(identityFile, JSON.stringify(identity));
  } catch (error) {
    // Without its identity file nobody would find the server, and it would keep the port.
    await stopChild(server);
    throw error;
  }
  return server;
}

/** Launches the server and waits until the namespace exists. Throws an `EndedError` if the server ends before. */
export async function launchUntilReady(
  command: ServerCommand,
  { address, namespace }: { readonly address: string; readonly namespace: string },
): Promise<ServerProcess> {
  const server = await launchServer(command);
  const waiting = new AbortController();
  try {
    await Promise.race([
      waitUntilReady(address, namespace, waiting.signal),
      server.ended.then(() => failStart(server)),
    ]);
    return server;
  } catch (error) {
    await stopChild(server);
    throw error;
  } finally {
    waiting.abort();
  }
}

/** A service that was killed could not end its dev server, which still holds the port and the file. */
export async function endFormerServer(identityFile: string, logger: Logger): Promise<void> {
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

function failStart({ process: { signalCode, exitCode }, stderr }: ServerProcess): never {
  const end = signalCode ?? `exit code ${exitCode}`;
  throw new EndedError(`The Temporal dev server did not start (${end}): ${stderr()}`);
}

function keepTail(child: ChildProcess): () => string {
  let tail = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-TAIL_CHARACTERS);
  });
  return () => tail.trim();
}
