import { isIP } from 'node:net';
import { omitUndefined } from '../core/omit-undefined.js';
import type { Address } from './address.js';
import type { EnvironmentReader } from './environment.js';

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
  return omitUndefined({
    api: read.address('METRICS_LISTEN'),
    worker: read.address('WORKER_METRICS_LISTEN'),
    temporal,
  });
}
