import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from '@jest/globals';
import { pino } from 'pino';
import { followLoggingLevel } from '../../src/process/logging-level.js';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import { waitFor } from '../support/wait.js';

test('the level follows the option, whichever process changes it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-level-'));
  const path = join(directory, 'keelson.db');
  const [store, other] = [await openSqliteStore({ path }), await openSqliteStore({ path })];
  const logger = pino({ level: 'error' }, { write: () => undefined });
  const stop = followLoggingLevel(store, logger);
  await waitFor(() => logger.level === 'info');
  await store.options.patch({ loggingLevel: 'DEBUG' });
  await waitFor(() => logger.level === 'debug');
  await other.options.patch({ loggingLevel: 'WARNING' });
  await waitFor(() => logger.level === 'warn');
  stop();
  await store.close();
  await other.close();
  await rm(directory, { recursive: true });
});
