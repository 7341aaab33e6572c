import { DefaultLogger, type LogEntry, type LogLevel, Runtime } from '@temporalio/worker';
import { isRetryable } from '../activities/failure.js';
import { toHostPort, type Address } from '../config/address.js';
import { isServiceError } from '../core/errors.js';
import { omitUndefined } from '../core/omit-undefined.js';
import type { Logger } from './logger.js';

const levels = {
  TRACE: 'debug',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
} as const satisfies Record<LogLevel, string>;

/** The SDK warns with this about a machine's own queues, which have only activities. */
const EXPECTED = 'No workflows registered';
/** The SDK warns with this about a session that failed for its own reasons, which have already been logged. */
const ENDED = 'Workflow failed';

/** Temporal's client logs this for every call that it retries: several per second while Temporal is away. */
const REPEATED = /^gRPC call \S+ retried /;
const REPEATED_MS = 60_000;

/**
 * To be called once per process, before anything of the worker is made. Sends Temporal's log lines through our logger and
 * leaves signals to us.
 */
export function installRuntime(logger: Logger, metricsAddress?: Address): void {
  try {
    Runtime.install({
      shutdownSignals: [],
      telemetryOptions: {
        // Without `forward`, the native part of the SDK writes its own lines between ours.
        logging: { filter: { core: 'WARN', other: 'ERROR' }, forward: {} },
        ...omitUndefined({ metrics: metricsAddress && toExporter(metricsAddress) }),
      },
      logger: new DefaultLogger('WARN', createSink(logger)),
    });
  } catch (cause) {
    if (metricsAddress === undefined) throw cause;
    const { message } = cause as Error;
    throw new Error(`TEMPORAL_METRICS_LISTEN: ${toHostPort(metricsAddress)}: ${message}.`, {
      cause,
    });
  }
}

/** Receives the log lines of Temporal's SDK. That Temporal is away is logged at most once a minute. */
export function createSink(
  logger: Readonly<Record<(typeof levels)[LogLevel], (fields: object, message: string) => void>>,
  now: () => number = () => performance.now(),
): (entry: Pick<LogEntry, 'level' | 'message' | 'meta'>) => void {
  let quietUntil = -Infinity;
  return (entry) => {
    const fields = toFields(entry.meta ?? {});
    if (!REPEATED.test(entry.message)) {
      logger[toLevel(entry)](fields, entry.message);
    } else if (now() >= quietUntil) {
      quietUntil = now() + REPEATED_MS;
      logger.warn(fields, 'Temporal does not answer; trying again until it does');
    }
  };
}

export function toLevel({
  level,
  message,
  meta,
}: Pick<LogEntry, 'level' | 'message' | 'meta'>): (typeof levels)[LogLevel] {
  const error: unknown = meta?.['error'];
  const isToldElsewhere = message === ENDED && error instanceof Error && isKnown(error);
  return isToldElsewhere || message.startsWith(EXPECTED) ? 'debug' : levels[level];
}

/**
 * The fields of a line of Temporal's. `error` becomes `err`, the name by which loggers keep message and stack; a known fault is
 * shown by its message alone. The task token is left out: it is long, tells nothing, and could be used to complete the task.
 */
export function toFields(meta: Readonly<Record<string | symbol, unknown>>): object {
  const { error, ...rest } = meta;
  const fields = { ...rest, taskToken: undefined };
  if (!(error instanceof Error)) return error === undefined ? fields : { ...fields, error };
  const known = findKnown(error);
  return known === undefined ? { ...fields, err: error } : { ...fields, why: known.message };
}

/** The failure of a workflow has the failed activity's fault as its cause. */
function findKnown(error: Error): Error | undefined {
  if (isKnown(error)) return error;
  return isFault(error.cause) ? error.cause : undefined;
}

/** A fault as Temporal returns it. Recognized by its shape, because a workflow's errors come from another realm. */
function isFault(error: unknown): error is Error {
  if (typeof error !== 'object' || error === null || !('type' in error)) return false;
  return typeof error.type === 'string' && Object.hasOwn(isRetryable, error.type);
}

/** A fault of an activity, or the end of a workflow that says why its session failed. */
function isKnown(error: Error): boolean {
  const { cause } = error;
  return isServiceError(cause) || (nameOf(error) === 'ApplicationFailure' && cause === undefined);
}

/** Workflows run in their own thread, and an error copied from another thread has its name only in the stack. */
function nameOf({ name, stack = '' }: Error): string {
  return name === 'Error' ? (/^\w+/.exec(stack)?.[0] ?? name) : name;
}

/** Uses the names that Prometheus expects: with units, and `_total` for counters. */
function toExporter(address: Address) {
  return {
    prometheus: { bindAddress: toHostPort(address), countersTotalSuffix: true, unitSuffix: true },
  };
}
