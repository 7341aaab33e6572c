import { realpathSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseConfig, type Config } from '../config.js';
import { VARIABLES } from '../config/variables.js';
import type { Logger } from './logger.js';

/** Something that was started and must be closed. */
export interface Service {
  close(): Promise<void>;
  /** Settles when the service has ended by itself, so that the process has nothing left to do. */
  readonly ended?: Promise<void>;
}

/** Whether this module was started as the program, not imported. */
export function isProgram(url: string): boolean {
  return process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(url);
}

/** Reads the environment before anything starts. On a mistake it prints one line on stderr and exits. */
export function readConfig(words: readonly string[] = process.argv.slice(2)): Config {
  try {
    if (words.length > 0)
      throw new Error(
        'This command takes no arguments. Environment variables configure it: see "Configuration" in README.md.',
      );
    return parseConfig(process.env);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}

/** A terminal sends Ctrl-C to npm too, which passes it on, so one Ctrl-C arrives as up to three signals. */
const ONE_WISH_MS = 1_000;

/**
 * Runs the service until SIGINT, SIGTERM or its own end, then closes it. A later signal exits at once, even if the start or the
 * close hangs. A signal during the start aborts the signal that `start` was given.
 */
export async function runService(
  start: (signal: AbortSignal) => Promise<Service>,
  logger: Logger,
  oneWishMs = ONE_WISH_MS,
): Promise<void> {
  const starting = new AbortController();
  const stopped = new Promise<string>((resolve) => {
    let first: number | undefined;
    const stop = (signal: string) => {
      if (first !== undefined && performance.now() - first >= oneWishMs) process.exit(130);
      first ??= performance.now();
      starting.abort();
      resolve(signal);
    };
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);
  });
  try {
    const service = await start(starting.signal);
    // Now, so that the next start finds the compiled code even if this process is killed.
    flushCompileCache();
    collectGarbage();
    const ended = (service.ended ?? stopped).then(() => undefined);
    const signal = await Promise.race([stopped, ended]).catch(async (error: unknown) => {
      await service.close();
      throw error;
    });
    logger.info({ signal }, 'stopping');
    await service.close();
    process.exit(0);
  } catch (error) {
    if (isAbortOf(starting.signal, error)) {
      logger.info('stopped before it had started');
      process.exit(0);
    }
    const { fields, message } = describeFailure(error);
    logger.fatal(fields, message);
    // Open handles may not keep a failed process alive. The log is flushed by its destination.
    process.exit(1);
  }
}

/**
 * A message that begins with the name of a variable tells the reader what to do, so it is logged with its cause but without a
 * stack. Anything else may be a defect.
 */
export function describeFailure(error: unknown): {
  readonly fields: object;
  readonly message: string;
} {
  if (!(error instanceof Error)) return { fields: { err: error }, message: 'failed' };
  const { message, cause } = error;
  if (!namesVariable(message)) return { fields: { err: error }, message };
  const why = cause instanceof Error ? cause.message : '';
  return { fields: why === '' || message.includes(why) ? {} : { why }, message };
}

function namesVariable(message: string): boolean {
  const [, name = ''] = /^([A-Z][A-Z_]+): /.exec(message) ?? [];
  return Object.hasOwn(VARIABLES, name);
}

function isAbortOf({ aborted, reason }: AbortSignal, error: unknown): boolean {
  return aborted && error instanceof Error && error.cause === reason;
}

/**
 * A start leaves as much garbage as what it keeps, and V8 would leave it there for as long as nothing happens. Takes some 0.1 s.
 * Does nothing if Node was not started by `scripts/run.sh`.
 */
function collectGarbage(): void {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
