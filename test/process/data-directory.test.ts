import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { holdDataDirectory } from '../../src/process/data-directory.js';

const HOLDER = `
import { holdDataDirectory } from '${process.cwd()}/dist/process/data-directory.js';
await holdDataDirectory(process.argv[1], 'theirs', 0);
process.stdout.write('held');
process.stdin.resume();
`;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keelson-world-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('holdDataDirectory', () => {
  test('is for those that see the same processes, and for others when none of them is left', async () => {
    const holds = [await holdDataDirectory(directory), await holdDataDirectory(directory)];
    for (const hold of holds) {
      await expect(holdDataDirectory(directory, 'elsewhere', 0)).rejects.toThrow(
        /KEELSON_DATA: a worker in another container/,
      );
      hold.close();
    }
    const other = await holdDataDirectory(directory, 'elsewhere', 0);
    await expect(holdDataDirectory(directory, undefined, 0)).rejects.toThrow(directory);
    other.close();
  });

  test('waits for one that is about to end, and outlives nobody who is killed', async () => {
    const arguments_ = ['--input-type=module', '--eval', HOLDER, directory];
    const holder = spawn(process.execPath, arguments_, { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(holder.stdout, 'data');
    await expect(holdDataDirectory(directory, 'ours', 0)).rejects.toThrow(directory);
    const held = holdDataDirectory(directory, 'ours', 60_000);
    holder.kill('SIGKILL');
    (await held).close();
  });
});
