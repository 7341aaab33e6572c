import { isIP } from 'node:net';
import type { Address } from './address.js';
import { optional, type EnvironmentReader } from './environment.js';

/** Addresses that serve metrics without authentication. */
export interface MetricsConfig {
  /** The API's metrics. Absent: served at the API's own address, to anyone who may read there. */
  readonly api?: Address;
  /** The metrics of a worker in a process of its own. Absent: not served. */
  readonly worker?: Address;
  /** The metrics of Temporal's SDK in the worker. Absent: not served. */
  readonly temporal?: Address;
}

export function parseMetrics(read: EnvironmentReader): MetricsConfig {
  const temporal = read.address('TEMPORAL_METRICS_LISTEN');
  if (temporal !== undefined && isIP(temporal.host) === 0)
    throw new Error(
      `TEMPORAL_METRICS_LISTEN: "${temporal.host}" is not an IP address, which Temporal's SDK needs.`,
    );
  return {
    ...optional('api', read.address('METRICS_LISTEN')),
    ...optional('worker', read.address('WORKER_METRICS_LISTEN')),
    ...optional('temporal', temporal),
  };
}
