import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openPostgresStore } from '../../src/store/database/postgres.js';
import { runPostgresProgram } from '../support/commands.js';
import { describeWithPostgres, startPostgres, type PostgresServer } from '../support/postgres.js';
import { addPlannedSession, aNewSession, readAll } from '../support/store-builders.js';

const PHASE = 'ansible-0';

describeWithPostgres('a dump of PostgreSQL', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.close());

  test('restores what was there when it was made, while the store was written to', async () => {
    const [url, restoredUrl] = [await server.createDatabase(), await server.createDatabase()];
    const file = join(server.directory, 'keelson.dump');
    const store = await openPostgresStore({ url });
    const jobId = await addPlannedSession(store, 'before');
    const log = 'ö'.repeat(1000);
    await store.logs.append(jobId, PHASE, 0, Buffer.from(log));
    const before = await store.sessions.get(jobId);
    const dumping = runPostgresProgram(
      'pg_dump',
      '--format=custom',
      `--file=${file}`,
      `--dbname=${url}`,
    );
    for (let index = 0; index < 20; index += 1) {
      await store.sessions.insert(aNewSession(`meanwhile-${index}`));
    }
    await dumping;
    await store.sessions.insert(aNewSession('after'));

    await runPostgresProgram('pg_restore', '--exit-on-error', `--dbname=${restoredUrl}`, file);
    const restored = await openPostgresStore({ url: restoredUrl });
    expect(await restored.sessions.get(jobId)).toEqual(before);
    expect(await readAll(restored.logs.read(jobId, PHASE, 0))).toBe(log);
    expect(await restored.deploymentId()).toBe(await store.deploymentId());
    expect(await restored.sessions.find('after')).toBeUndefined();
    expect(await restored.sweep.attachOnly()).toContain('before');
    await restored.sessions.insert(aNewSession('new'));
    await restored.close();
    await store.close();
  });
});
