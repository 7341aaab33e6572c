import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

const script = fileURLToPath(new URL('../../.ci/cluster', import.meta.url));

describe('.ci/cluster', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'keelson-ci-cluster-'));
    mkdirSync(join(directory, 'bin'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const addProgram = (name: string, text: string) =>
    writeFileSync(join(directory, 'bin', name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });

  /** Runs it with a command that creates a file, on a machine whose programs exit with the given codes. */
  function run({ up = 0, make = 0, load = 0, command = 0 }) {
    const cluster = `case $1 in status) exit 1;; up) exit ${up};; image) exit ${load};; esac`;
    addProgram('cluster', cluster);
    addProgram('npm', `for file; do :; done; : > "$file"; exit ${make}`);
    addProgram('id', 'echo 0');
    addProgram('go', 'exit 0');
    const ran = join(directory, 'ran');
    const { status, stdout } = spawnSync(script, ['sh', '-c', `touch ${ran}; exit ${command}`], {
      encoding: 'utf8',
      env: {
        PATH: `${join(directory, 'bin')}:/usr/bin:/bin`,
        TMPDIR: directory,
        KEELSON_CLUSTER: join(directory, 'bin', 'cluster'),
      },
    });
    return { status, said: stdout.trimEnd().split('\n').at(-1), ran: existsSync(ran) };
  }

  test('runs the command and returns its exit code', () => {
    expect(run({ command: 3 })).toMatchObject({ status: 3, ran: true });
  });

  test.each([
    ['no cluster comes up', { up: 1 }, 'the cluster did not come up'],
    ['there is nothing to make an image of', { make: 69 }, 'there are no packages to make'],
  ])('runs nothing, and says so, where %s', (_, codes, why) => {
    const expected = expect.stringContaining(`Skipped: the tests on Kubernetes, ${why}`) as unknown;
    expect(run(codes)).toEqual({ status: 0, said: expected, ran: false });
  });

  test.each([
    ['an image cannot be made of what is there', { make: 1 }],
    ['the cluster takes no image', { load: 1 }],
  ])('fails where %s', (_, codes) => {
    const said = 'Failed: the cluster got no images.';
    expect(run(codes)).toEqual({ status: 1, said, ran: false });
  });
});
