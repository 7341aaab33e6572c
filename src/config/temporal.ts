import type { TLSConfig } from '@temporalio/client';
import { omitUndefined } from '../core/omit-undefined.js';
import type { EnvironmentReader } from './environment.js';

export interface TemporalConfig {
  /** Absent in embedded mode, which starts a dev server of its own. */
  readonly address?: string;
  readonly namespace: string;
  /** Absent if the address is reached without TLS. */
  readonly tls?: TLSConfig;
  /** The `temporal` program. */
  readonly cli: string;
  /** Port of the dev server; 0 takes a free one. */
  readonly port: number;
  /** Port of the dev server's Web UI; 0 takes a free one. */
  readonly uiPort: number;
}

export function parseTemporal(read: EnvironmentReader, cli: string): TemporalConfig {
  return omitUndefined({
    address: read.text('TEMPORAL_ADDRESS'),
    namespace: read.text('TEMPORAL_NAMESPACE') ?? 'default',
    tls: parseTls(read),
    cli,
    port: read.port('TEMPORAL_PORT', 7233),
    uiPort: read.port('TEMPORAL_UI_PORT', 8233),
  });
}

function parseTls(read: EnvironmentReader): TLSConfig | undefined {
  const ca = read.content('TEMPORAL_TLS_CA_FILE');
  const certificate = read.content('TEMPORAL_TLS_CERT_FILE');
  const key = read.content('TEMPORAL_TLS_KEY_FILE');
  if ((certificate === undefined) !== (key === undefined))
    throw new Error('TEMPORAL_TLS_CERT_FILE and TEMPORAL_TLS_KEY_FILE must be set together.');
  if (ca === undefined && certificate === undefined) return undefined;
  if (read.text('TEMPORAL_ADDRESS') === undefined)
    throw new Error(
      'TEMPORAL_ADDRESS: the dev server does not support TLS; set it to the address of a service that does.',
    );
  return omitUndefined({
    serverRootCACertificate: ca,
    clientCertPair: certificate && key && { crt: certificate, key },
  });
}
