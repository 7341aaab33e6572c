import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { findMasterKey, openMasterKey } from '../../src/process/master-key.js';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import type { Store } from '../../src/store/store.js';

let directory: string;
let store: Store;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-master-key-'));
  store = await openSqliteStore({ path: join(directory, 'keelson.db') });
});
afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true });
});

const file = (name: string) => join(directory, name);

test('the first key is that of the deployment, wherever its file is', async () => {
  const key = await openMasterKey(file('first'), store);
  copyFileSync(file('first'), file('moved'));
  expect(await openMasterKey(file('moved'), store)).toEqual(key);
});

test('another key is refused, and none is made if the deployment already has one', async () => {
  await openMasterKey(file('first'), store);
  await expect(openMasterKey(file('absent'), store)).rejects.toThrow(
    `MASTER_KEY_FILE: there is no file ${file('absent')}. `,
  );
  expect(existsSync(file('absent'))).toBe(false);

  await store.masterKey.forget();
  await openMasterKey(file('second'), store);
  await expect(openMasterKey(file('first'), store)).rejects.toThrow(
    `MASTER_KEY_FILE: ${file('first')} does not hold the key of this database. `,
  );
});

test('findMasterKey neither makes a key nor records one as that of the deployment', async () => {
  await expect(findMasterKey(file('absent'), store)).rejects.toThrow('there is no file');
  expect(readdirSync(directory)).not.toContain('absent');

  const key = await openMasterKey(file('first'), store);
  await store.masterKey.forget();
  expect(await findMasterKey(file('first'), store)).toEqual(key);
  expect(await store.masterKey.find()).toBeUndefined();

  await openMasterKey(file('second'), store);
  await expect(findMasterKey(file('first'), store)).rejects.toThrow('does not hold the key');
});

test('a file that cannot be reached does not count as lost', async () => {
  await openMasterKey(file('first'), store);
  await expect(openMasterKey(join(file('first'), 'below'), store)).rejects.toThrow(
    /can be neither read nor created .*ENOTDIR/,
  );
});
