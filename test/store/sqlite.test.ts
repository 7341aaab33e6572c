import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import { storeContract } from '../contract/store-contract.js';

storeContract('SQLite', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-store-'));
  return {
    open: () => openSqliteStore({ path: join(directory, 'data', 'keelson.db') }),
    remove: () => rm(directory, { recursive: true }),
  };
});
