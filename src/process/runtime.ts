import { DefaultLogger, type LogEntry, type LogLevel, Runtime } from '@temporalio/worker';
import { isRetryable } from '../activities/failure.js';
import { toHostPort, type Address } from '../config/address.js';
import { isServiceError } from '../core/errors.js';
import type { Logger } from './logger.js';

const levels = {
  TRACE: 'debug',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
} as const satisfies Record<LogLevel, string>;

/** What Temporal's SDK says of a machine's own queues, which have only activities. */
const EXPECTED = 'No workflows registered';
/** Of a session that failed for a reason of its own, who recorded that has told. */
const ENDED = 'Workflow failed';

/** What Temporal's client says of every call that it repeats: several each second while Temporal is away. */
const REPEATED = /^gRPC call \S+ retried /;
const REPEATED_MS = 60_000;

/** Once per process, before anything of the worker: Temporal's own lines go through our logger, and signals are ours. */
export function installRuntime(logger: Logger, metricsAddress?: Address): void {
  try {
    Runtime.install({
      shutdownSignals: [],
      telemetryOptions: {
        // Without it the part that is not JavaScript writes lines of its own between ours.
        logging: { filter: { core: 'WARN', other: 'ERROR' }, forward: {} },
        ...(metricsAddress === undefined ? {} : { metrics: toExporter(metricsAddress) }),
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

/** Takes what Temporal's SDK has to say. That Temporal is away it says once a minute. */
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
      logger.warn(fields, 'Temporal does not answer; it is asked until it does');
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
 * What Temporal says beside its words. Its `error` would lose text and stack, as loggers know an error by the name `err`. Of a
 * fault that we know the sentence is enough. The token of a task is long, tells nothing, and completes the task.
 */
export function toFields(meta: Readonly<Record<string | symbol, unknown>>): object {
  const { error, ...rest } = meta;
  const fields = { ...rest, taskToken: undefined };
  if (!(error instanceof Error)) return error === undefined ? fields : { ...fields, error };
  const known = findKnown(error);
  return known === undefined ? { ...fields, err: error } : { ...fields, why: known.message };
}

/** A workflow that ends by a fault of its activity fails by the failure of that. */
function findKnown(error: Error): Error | undefined {
  if (isKnown(error)) return error;
  return isFault(error.cause) ? error.cause : undefined;
}

/** As it comes back from Temporal. By its shape: a workflow's errors are of another realm. */
function isFault(error: unknown): error is Error {
  if (typeof error !== 'object' || error === null || !('type' in error)) return false;
  return typeof error.type === 'string' && Object.hasOwn(isRetryable, error.type);
}

/** A fault of an activity, or the end of a workflow that says why its session failed. */
function isKnown(error: Error): boolean {
  const { cause } = error;
  return isServiceError(cause) || (nameOf(error) === 'ApplicationFailure' && cause === undefined);
}

/** Workflows have a thread of their own, and the copy of an error that comes from another thread has its name in the stack alone. */
function nameOf({ name, stack = '' }: Error): string {
  return name === 'Error' ? (/^\w+/.exec(stack)?.[0] ?? name) : name;
}

/** With the names that Prometheus wants: units, and `_total` for what only rises. */
function toExporter(address: Address) {
  return {
    prometheus: { bindAddress: toHostPort(address), countersTotalSuffix: true, unitSuffix: true },
  };
}
