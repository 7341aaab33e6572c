import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { findPython } from '../support/ssh-host.js';
import { aCommand, createJob, processesOf, PROJECT } from './harness.js';

/** A private file system that ends with its process. Root needs no user namespace. */
const UNSHARE = ['unshare', '--mount', ...(process.getuid?.() === 0 ? [] : ['--map-root-user'])];
const canMount = () => {
  const [command, ...words] = [...UNSHARE, 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir()];
  return spawnSync(command, words).status === 0;
};
const describeWithMount =
  process.env['REQUIRE_SERVERS'] === '1' || canMount() ? describe : describe.skip;

/** Waits until the earlier output is in the log, then fills the disk. */
const FILL = 'echo said; until [ -s ../logs/full.log ]; do sleep 0.02; done; cat /dev/zero > file';

/** Runs the whole job on its own disk of one megabyte, and copies what is there at the end. */
const RUN = `mount -t tmpfs -o size=1m tmpfs "$2" && cp -a "$1/." "$2" &&
  { "$0" -m job all --directory "$2"; cp -a "$2/." "$3"; }`;

describeWithMount('on a full disk', () => {
  it.each([
    ['its output', 'cat /dev/zero', 500_000],
    ['a file', `${FILL}; cat /dev/zero`, 5],
  ])(
    'that %s has filled a phase ends with all that was kept, and leaves no secret',
    async (_, script, kept) => {
      const job = createJob({
        phases: [aCommand('full', script), aCommand('later', 'true')],
        files: { 'workspace/ssh/id_ecdsa': 'a key' },
      });
      const places = ['disk', 'after'].map((name) =>
        mkdtempSync(join(tmpdir(), `keelson-${name}-`)),
      );
      const after = (...names: string[]) => join(places[1] ?? '', ...names);
      try {
        const argv = ['sh', '-c', RUN, findPython(), job.directory, ...places];
        const [command = '', ...words] = [...UNSHARE, ...argv];
        execFileSync(command, words, {
          cwd: PROJECT,
          stdio: 'ignore',
          env: { PATH: process.env['PATH'], LANG: 'C.UTF-8', KEELSON_JOB: job.id },
        });
        const read = (phase: string) =>
          JSON.parse(readFileSync(after('phases', `${phase}.json`), 'utf8')) as object;
        const log = readFileSync(after('logs', 'full.log'));

        expect(read('full')).toMatchObject({
          state: 'ended',
          exit_code: 78,
          log_bytes: log.length,
        });
        expect(log.length).toBeGreaterThanOrEqual(kept);
        expect(read('later')).toMatchObject({ unstarted: 'skipped' });
        expect(existsSync(after('ended'))).toBe(true);
        expect([existsSync(after('secrets')), existsSync(after('workspace/ssh/id_ecdsa'))]).toEqual(
          [false, false],
        );
        expect(await processesOf(job.id)).toEqual([]);
      } finally {
        for (const place of [job.directory, ...places]) rmSync(place, { recursive: true });
      }
    },
  );
});
