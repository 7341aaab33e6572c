import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { pino } from 'pino';
import { startPresence } from '../../src/process/presence.js';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import { waitFor } from '../support/wait.js';

test('a machine is noted as alive at once and then regularly', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-presence-'));
  const store = await openSqliteStore({ path: join(directory, 'keelson.db') });
  const logger = pino({ level: 'silent' });
  const presence = await startPresence({ store, logger, machine: 'm' }, 10);
  const first = (await store.sweep.listMachines()).get('m') ?? '';
  expect(first).not.toBe('');
  await waitFor(async () => ((await store.sweep.listMachines()).get('m') ?? '') > first);
  await presence.close();
  await store.close();
  await rm(directory, { recursive: true });
});
