import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { lockDirectory } from '../../src/process/directory-lock.js';

test('lockDirectory gives a directory to one, and to the next when that has ended', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-lock-'));
  const first = await lockDirectory(directory, 'service', 0);
  await expect(lockDirectory(directory, 'service', 0)).rejects.toThrow(
    `Another service has the directory ${directory}.`,
  );
  await (await lockDirectory(directory, 'image service', 0)).close();
  const second = lockDirectory(directory, 'service', 60_000);
  await first.close();
  await (await second).close();
  rmSync(directory, { recursive: true });
});
