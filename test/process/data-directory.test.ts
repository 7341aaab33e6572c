import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { holdDataDirectory, prepareDataDirectory } from '../../src/process/data-directory.js';
import { describeWithMount, UNSHARE } from '../support/own-mount.js';

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

describe('prepareDataDirectory', () => {
  test('makes the directory, and leaves nothing in it', async () => {
    const made = join(directory, 'a', 'b');
    prepareDataDirectory(made);
    prepareDataDirectory(made);
    expect(await readdir(made)).toEqual([]);
  });

  test.each(['"', '$', '%', ':', '[', '{{', '{#'])('refuses a path with %s', async (misread) => {
    const made = join(directory, `a${misread}b`);
    await mkdir(made);
    const link = join(directory, 'link');
    await symlink(made, link);
    const told = `KEELSON_DATA: the path ${made} contains ${misread}, which Ansible, SSH or Temporal would misread.`;
    expect(() => prepareDataDirectory(made)).toThrow(told);
    expect(() => prepareDataDirectory(link)).toThrow(told);
    prepareDataDirectory(made, { hasJobs: false });
  });

  test('takes any other path', () => {
    prepareDataDirectory(join(directory, " ä'\\#?*,;&{]\n"));
  });
});

describeWithMount('prepareDataDirectory on a disk that is full', () => {
  test('says that the disk is full', () => {
    const script = `
      import { prepareDataDirectory } from '${process.cwd()}/dist/process/data-directory.js';
      try { prepareDataDirectory(process.argv[1]); } catch (error) { process.stdout.write(error.message); }`;
    const mount = `mount -t tmpfs -o size=64k tmpfs "${directory}"
      cat /dev/zero > "${directory}/filler" 2> /dev/null
      exec "$@"`;
    const program = [process.execPath, '--input-type=module', '-e', script, directory];
    const [command = '', ...words] = [...UNSHARE, 'sh', '-c', mount, 'sh', ...program];
    expect(spawnSync(command, words, { encoding: 'utf8' }).stdout).toBe(
      `KEELSON_DATA: the directory ${directory} cannot be written to (ENOSPC). Make room on its disk.`,
    );
  });
});

describe('holdDataDirectory', () => {
  test('admits workers that see the same processes, and others once none of those is left', async () => {
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

  test('waits for a worker that is about to end, and ends with one that is killed', async () => {
    const arguments_ = ['--input-type=module', '--eval', HOLDER, directory];
    const holder = spawn(process.execPath, arguments_, { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(holder.stdout, 'data');
    await expect(holdDataDirectory(directory, 'ours', 0)).rejects.toThrow(directory);
    const held = holdDataDirectory(directory, 'ours', 60_000);
    holder.kill('SIGKILL');
    (await held).close();
  });
});
