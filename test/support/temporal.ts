import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { pino } from 'pino';
import { registerSearchAttributes } from '../../src/clients/temporal-setup.js';
import { parseConfig } from '../../src/config.js';
import { startDevServer } from '../../src/process/dev-server.js';

export interface TestTemporal {
  readonly address: string;
  readonly client: Client;
  readonly connection: Connection;
  close(): Promise<void>;
}

/** The service at TEMPORAL_ADDRESS, or else a dev server of this test's own. */
export async function openTemporal(): Promise<TestTemporal> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const given = process.env['TEMPORAL_ADDRESS'];
  const directory = mkdtempSync(join(tmpdir(), 'keelson-temporal-'));
  const config = parseConfig({ ...process.env, TEMPORAL_PORT: '0', TEMPORAL_UI_PORT: '0' });
  const server =
    given === undefined
      ? await startDevServer(config.temporal, directory, pino({ level: 'silent' }))
      : undefined;
  const address = server?.address ?? given ?? '';
  const connection = await Connection.connect({ address });
  await registerSearchAttributes(connection, 'default');
  return {
    address,
    connection,
    client: new Client({ connection }),
    async close() {
      await connection.close();
      await server?.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
