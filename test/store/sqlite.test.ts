import { mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { createChangeFeed } from '../../src/store/database/changes.js';
import { openDatabase } from '../../src/store/database/database.js';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import { createSqliteDialect, openConnections } from '../../src/store/database/sqlite-dialect.js';
import { expectOneMoment, expectOneView } from '../contract/read-together.js';
import { storeContract } from '../contract/store-contract.js';
import { aNewSession } from '../support/store-builders.js';

storeContract('SQLite', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-store-'));
  return {
    open: () => openSqliteStore({ path: join(directory, 'data', 'keelson.db') }),
    remove: () => rm(directory, { recursive: true }),
  };
});

test('queries that read together see nothing that is committed between them', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-store-'));
  const dialect = createSqliteDialect(await openConnections(join(directory, 'keelson.db')));
  const database = await openDatabase(dialect, createChangeFeed(dialect));
  await expectOneView(database);
  await expectOneMoment(database);
  await database.close();
  await rm(directory, { recursive: true });
});

test('only the owner may read the files of a database, whoever made its directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-store-'));
  const store = await openSqliteStore({ path: join(directory, 'keelson.db') });
  const names = await readdir(directory);
  const modes = await Promise.all(
    names.map(async (name) => (await stat(join(directory, name))).mode),
  );
  expect(names.sort()).toEqual(['keelson.db', 'keelson.db-shm', 'keelson.db-wal']);
  expect(modes.map((mode) => mode & 0o777)).toEqual([0o600, 0o600, 0o600]);
  await store.close();
  await rm(directory, { recursive: true });
});

test('nothing is stored in a file that was replaced, for example by a backup', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-store-'));
  const path = join(directory, 'keelson.db');
  const store = await openSqliteStore({ path });
  await store.sessions.insert(aNewSession('before'));
  await rename(path, `${path}.old`);
  await writeFile(path, 'a backup');
  const why = { fault: 'unavailable', message: expect.stringContaining('was replaced or removed') };
  await expect(store.sessions.insert(aNewSession('after'))).rejects.toMatchObject(why);
  await expect(store.ping()).rejects.toMatchObject(why);
  expect(await store.sessions.find('after')).toBeUndefined();
  await rename(`${path}.old`, path);
  await store.sessions.insert(aNewSession('after'));
  await store.close();
  await rm(directory, { recursive: true });
});
