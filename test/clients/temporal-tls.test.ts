import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { NativeConnection } from '@temporalio/worker';
import { createOrchestrator } from '../../src/clients/temporal.js';
import { parseConfig } from '../../src/config.js';
import { openTemporal, type TestTemporal } from '../support/temporal.js';

describe('a Temporal that requires TLS and a client certificate', () => {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-tls-'));
  const file = (name: string) => join(directory, name);
  const opened: { close(): Promise<void> }[] = [];
  let temporal: TestTemporal;
  let server: Server;
  let address: string;

  beforeAll(async () => {
    temporal = await openTemporal();
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
        ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2'],
        ...['-addext', 'basicConstraints=critical,CA:FALSE'],
        ...['-keyout', file('tls.key'), '-out', file('tls.crt')],
      ],
      { stdio: 'pipe' },
    );
    server = createServer(
      {
        key: readFileSync(file('tls.key')),
        cert: readFileSync(file('tls.crt')),
        ca: readFileSync(file('tls.crt')),
        requestCert: true,
        ALPNProtocols: ['h2'],
      },
      (client) => {
        const [host = '', port] = temporal.address.split(':');
        const upstream = connect(Number(port), host);
        for (const each of [client, upstream]) each.on('error', () => undefined);
        client.pipe(upstream).pipe(client);
      },
    );
    server.on('tlsClientError', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    address = `localhost:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    for (const each of opened) await each.close();
    server.close();
    await temporal.close();
    rmSync(directory, { recursive: true });
  });

  const parse = (environment: Readonly<Record<string, string>>) =>
    parseConfig({ TEMPORAL_ADDRESS: address, ...environment }).temporal;
  const all = () => ({
    TEMPORAL_TLS_CA_FILE: file('tls.crt'),
    TEMPORAL_TLS_CERT_FILE: file('tls.crt'),
    TEMPORAL_TLS_KEY_FILE: file('tls.key'),
  });
  const open = (environment: Readonly<Record<string, string>>) => {
    const { tls, namespace } = parse(environment);
    const orchestrator = createOrchestrator({ address, namespace, tls, taskQueue: 'keelson-tls' });
    opened.push(orchestrator);
    return orchestrator;
  };

  test('answers the API', async () => {
    expect(await open(all()).namespaceId()).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('answers the worker', async () => {
    const connection = await NativeConnection.connect({ address, tls: parse(all()).tls ?? false });
    opened.push(connection);
    await connection.ensureConnected();
  });

  test('does not answer a client without a certificate', async () => {
    const orchestrator = open({ TEMPORAL_TLS_CA_FILE: file('tls.crt') });
    await expect(orchestrator.namespaceId()).rejects.toMatchObject({ fault: 'unavailable' });
  });

  test('accepts only complete settings', () => {
    expect(() => parse({ TEMPORAL_TLS_KEY_FILE: file('tls.key') })).toThrow('must be set together');
    expect(() => parse({ ...all(), TEMPORAL_ADDRESS: '' })).toThrow(
      'the dev server does not support TLS',
    );
  });
});
