import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import { addPlannedSession, at } from '../support/store-builders.js';

const MEBIBYTE = 1024 * 1024;

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keelson-shrink-'));
  path = join(directory, 'keelson.db');
});
afterEach(() => rm(directory, { recursive: true }));

test('the space of removed logs goes back to the disk, except for some that will be needed again', async () => {
  const store = await openSqliteStore({ path });
  expect(await store.retention.shrink()).toBe(0);
  const jobId = await addPlannedSession(store);
  for (let index = 0; index < 16; index += 1)
    await store.logs.append(jobId, 'ansible-0', index * MEBIBYTE, randomBytes(MEBIBYTE));
  await store.sessions.recordOutcome(jobId, { succeeded: 'true' }, at(1));
  await store.sessions.requestDelete('a', { at: at(2) });
  while ((await store.retention.removeDeleted(at(3))) > 0);
  let freed = 0;
  for (let step = await store.retention.shrink(); step > 0; step = await store.retention.shrink())
    freed += step;
  await store.close();
  expect(freed).toBeGreaterThan(11 * MEBIBYTE);
  const { size } = await stat(path);
  expect(size).toBeGreaterThan(3 * MEBIBYTE);
  expect(size).toBeLessThan(5 * MEBIBYTE);
});
