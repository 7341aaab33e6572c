import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { openPostgresStore } from '../../src/store/database/postgres.js';
import { storeContract } from '../contract/store-contract.js';
import { describeWithPostgres, startPostgres, type PostgresServer } from '../support/postgres.js';

describeWithPostgres('PostgreSQL', () => {
  let server: PostgresServer;
  let url: string;
  beforeAll(async () => {
    server = await startPostgres();
    url = await server.createDatabase();
  });
  afterAll(() => server.close());

  test('does not try to compress what is gzip already', async () => {
    await (await openPostgresStore({ url })).close();
    const client = new Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query(
      `select attname from pg_attribute where attrelid = 'log_chunks'::regclass and attstorage = 'e'`,
    );
    await client.end();
    expect(rows).toEqual([{ attname: 'gzip' }]);
  });

  storeContract('PostgreSQL', () =>
    Promise.resolve({
      open: () => openPostgresStore({ url }),
      // A new database for each test would take most of the time.
      async remove() {
        await server.query(
          `delete from batch_members; delete from batches; delete from batch_causes; delete from batcher; delete from sessions;
            delete from configurations; delete from components; delete from options; delete from machines;
            update log_store set bytes = 0; update deployment set notifies = 0, temporal_namespace_id = null`,
          url,
        );
      },
    }),
  );
});
