import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { openPostgresStore } from '../../src/store/database/postgres.js';
import type { Store } from '../../src/store/store.js';
import { describeWithPostgres, startPostgres, type PostgresServer } from '../support/postgres.js';
import { waitFor } from '../support/wait.js';

const LAST_UPDATED = '2026-01-02T03:04:05Z';

describeWithPostgres('locks in PostgreSQL', () => {
  let server: PostgresServer;
  let url: string;
  let store: Store;
  let clients: Client[];
  beforeAll(async () => {
    server = await startPostgres();
  });
  beforeEach(async () => {
    clients = [];
    url = await server.createDatabase();
    store = await openPostgresStore({ url });
    for (const name of ['one', 'two']) await store.sources.insert(aSource(name));
  });
  afterEach(async () => {
    await Promise.all(clients.map((client) => client.end()));
    await store.close();
  });
  afterAll(() => server.close());

  const lock = async (table: string, name: string, how = 'for update') => {
    const client = new Client({ connectionString: url });
    clients.push(client);
    await client.connect();
    await client.query('begin');
    await client.query(`select from ${table} where name = $1 ${how}`, [name]);
    return client;
  };
  const untilWaiting = () =>
    waitFor(async () => {
      const rows = await server.query(
        `select from pg_stat_activity where wait_event_type = 'Lock'`,
      );
      return rows.length === 1;
    });
  const isFree = async (table: string, name: string) => {
    const attempt = lock(table, name, 'for update nowait');
    await expect(attempt).resolves.toBeInstanceOf(Client);
    await (await attempt).query('rollback');
  };
  const save = (name: string, source: string) =>
    store.configurations.save({ name, lastUpdated: LAST_UPDATED, layers: [{ source }] });
  const aSource = (name: string) => ({
    ...{ name, cloneUrl: 'https://git/a.git', secretName: name, lastUpdated: LAST_UPDATED },
  });

  test('a configuration that waits for its source keeps nobody from its own row', async () => {
    await save('a', 'one');
    const holder = await lock('sources', 'one');
    const saved = save('a', 'one');
    await untilWaiting();

    await isFree('configurations', 'a');

    await holder.query('rollback');
    await saved;
  });

  test('a change of a source locks configurations in the order of their names', async () => {
    await save('b', 'one');
    await save('a', 'one');
    const holder = await lock('configurations', 'a');
    const stored = await store.sources.find('one');
    const replaced = stored && store.sources.replace(stored);
    await untilWaiting();

    await isFree('configurations', 'b');

    await holder.query('rollback');
    await replaced;
  });
});
