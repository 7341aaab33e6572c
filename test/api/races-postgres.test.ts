import { afterAll, beforeAll } from '@jest/globals';
import { apiRaces } from '../contract/api-races.js';
import { describeWithPostgres, startPostgres, type PostgresServer } from '../support/postgres.js';

describeWithPostgres('two APIs on one PostgreSQL', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  }, 60_000);
  afterAll(() => server.close());

  apiRaces(async () => ({ DATABASE_URL: await server.createDatabase() }));
});
