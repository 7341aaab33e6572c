import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { apiRaces } from '../contract/api-races.js';
import { startApiProcess } from '../support/api-process.js';
import { describeWithPostgres, startPostgres, type PostgresServer } from '../support/postgres.js';
import { waitFor } from '../support/wait.js';

describeWithPostgres('two APIs on one PostgreSQL', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.close());

  apiRaces(async () => ({ DATABASE_URL: await server.createDatabase() }));

  test('answer 503 while it is away, and continue when it is back', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'keelson-away-'));
    const url = await server.createDatabase();
    const api = await startApiProcess({ DATABASE_URL: url, KEELSON_DATA: directory });
    const put = () => api.ask('PUT', '/v3/configurations/c', { layers: [] });
    expect((await put()).status).toBe(200);

    await server.stop();
    const away = await Promise.all([put(), api.ask('GET', '/v3/sessions'), put()]);
    await server.start();

    for (const { status, headers, body } of away) {
      expect(status).toBe(503);
      expect(headers.get('retry-after')).toBe('1');
      expect(body).toMatchObject({ title: 'Service Unavailable' });
    }
    await waitFor(async () => (await put()).status === 200);
    expect(api.isRunning()).toBe(true);
    expect(api.output() + JSON.stringify(away)).not.toContain(new URL(url).password);
    await api.close();
    await rm(directory, { recursive: true });
  });
});
