import { DefaultLogger, type LogEntry, type LogLevel, Runtime } from '@temporalio/worker';
import type { Address } from '../config/address.js';
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

/** Once per process, before anything of the worker: Temporal's own lines go through our logger, and signals are ours. */
export function installRuntime(logger: Logger, metricsAddress?: Address): void {
  Runtime.install({
    shutdownSignals: [],
    ...(metricsAddress === undefined
      ? {}
      : { telemetryOptions: { metrics: toExporter(metricsAddress) } }),
    logger: new DefaultLogger('WARN', (entry) =>
      logger[toLevel(entry)](toFields(entry.meta ?? {}), entry.message),
    ),
  });
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
  return isKnown(error) ? { ...fields, why: error.message } : { ...fields, err: error };
}

/** A fault of an activity, or the end of a workflow that says why its session failed. */
function isKnown({ name, cause }: Error): boolean {
  return isServiceError(cause) || (name === 'ApplicationFailure' && cause === undefined);
}

/** With the names that Prometheus wants: units, and `_total` for what only rises. */
function toExporter({ host, port }: Address) {
  const bindAddress = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return { prometheus: { bindAddress, countersTotalSuffix: true, unitSuffix: true } };
}
