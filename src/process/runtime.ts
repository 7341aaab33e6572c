import { DefaultLogger, type LogLevel, Runtime } from '@temporalio/worker';
import type { Address } from '../config.js';
import type { Logger } from './logger.js';

const levels = {
  TRACE: 'debug',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
} as const satisfies Record<LogLevel, string>;

/** Once per process, before anything of the worker: Temporal's own lines go through our logger, and signals are ours. */
export function installRuntime(logger: Logger, metricsAddress?: Address): void {
  Runtime.install({
    shutdownSignals: [],
    ...(metricsAddress === undefined
      ? {}
      : { telemetryOptions: { metrics: toExporter(metricsAddress) } }),
    logger: new DefaultLogger('WARN', ({ level, message, meta }) =>
      logger[levels[level]](meta ?? {}, message),
    ),
  });
}

/** With the names that Prometheus wants: units, and `_total` for what only rises. */
function toExporter({ host, port }: Address) {
  const bindAddress = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return { prometheus: { bindAddress, countersTotalSuffix: true, unitSuffix: true } };
}
