import { afterAll, beforeAll } from '@jest/globals';
import { openPostgresStore } from '../../src/store/postgres.js';
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

  storeContract('PostgreSQL', () =>
    Promise.resolve({
      open: () => openPostgresStore({ url }),
      // A new database for each test would take most of the time.
      async remove() {
        await server.query(
          `delete from batch_members; delete from batches; delete from batch_causes; delete from batcher; delete from sessions;
            delete from configurations; delete from components; delete from options; update log_store set bytes = 0`,
          url,
        );
      },
    }),
  );
});
