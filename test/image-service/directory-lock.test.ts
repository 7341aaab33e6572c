import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { lockDirectory } from '../../src/image-service/directory-lock.js';

test('lockDirectory gives a directory to one, and to the next when that has ended', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-lock-'));
  const first = await lockDirectory(directory, 0);
  await expect(lockDirectory(directory, 0)).rejects.toThrow(
    `Another image service has the directory ${directory}.`,
  );
  const second = lockDirectory(directory, 60_000);
  await first.close();
  await (await second).close();
  rmSync(directory, { recursive: true });
});
