import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { lockDirectory } from '../../src/process/directory-lock.js';

test('lockDirectory gives a directory to one service, and to the next once that has ended', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-lock-'));
  const first = await lockDirectory(directory, 'service', 0);
  await expect(lockDirectory(directory, 'service', 0)).rejects.toThrow(
    `Another service uses the directory ${directory}.`,
  );
  await (await lockDirectory(directory, 'image service', 0)).close();
  const second = lockDirectory(directory, 'service', 60_000);
  await first.close();
  await (await second).close();
  rmSync(directory, { recursive: true });
});

test('npm run restored is refused while a service runs', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-lock-'));
  const program = fileURLToPath(new URL('../../dist/commands/restored.js', import.meta.url));
  const restored = () =>
    promisify(execFile)(process.execPath, [program], {
      env: { ...process.env, KEELSON_DATA: directory, DATABASE_URL: '' },
    });
  const lock = await lockDirectory(directory, 'service', 0);
  await expect(restored()).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining(`A service runs in ${directory}.`),
  });
  await lock.close();
  await expect(restored()).rejects.toMatchObject({
    stderr: expect.stringContaining('There is no database'),
  });
  rmSync(directory, { recursive: true });
});
