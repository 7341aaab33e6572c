import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openPostgresStore } from '../../src/store/database/postgres.js';
import type { Store } from '../../src/store/store.js';
import { describeWithPostgres, startPostgres, type PostgresServer } from '../support/postgres.js';
import { waitFor } from '../support/wait.js';

describeWithPostgres('the file with the password', () => {
  let server: PostgresServer;
  let store: Store;
  let passwordFile: string;
  beforeAll(async () => {
    server = await startPostgres();
    const rules = join(server.directory, 'data', 'pg_hba.conf');
    const asking = 'host all keelson 127.0.0.1/32 scram-sha-256\n';
    writeFileSync(rules, asking + readFileSync(rules, 'utf8'));
    await server.query('select pg_reload_conf()');
    const url = new URL(await server.createDatabase());
    passwordFile = join(server.directory, 'password');
    writeFileSync(passwordFile, `${url.password}\n`);
    url.password = '';
    store = await openPostgresStore({ url: url.href, passwordFile });
  });
  afterAll(async () => {
    await store.close();
    await server.close();
  });

  const breakConnections = () =>
    server.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'keelson'`,
    );

  test('is read again for each connection', async () => {
    await server.query(`alter role keelson password 'another/one'`);
    writeFileSync(passwordFile, 'another/one\n');
    await breakConnections();
    await waitFor(() => store.options.get(), {
      what: 'an answer to the new password',
    });
  });

  test('is named if it cannot be read', async () => {
    rmSync(passwordFile);
    await breakConnections();
    const failure = await waitFor(
      () =>
        store.options.get().then(
          () => undefined,
          (error: unknown) => (String(error).includes('ENOENT') ? error : undefined),
        ),
      { what: 'a connection that needs the file' },
    );
    expect(failure).toMatchObject({
      fault: 'unavailable',
      message: expect.stringContaining(passwordFile),
    });
  });
});
