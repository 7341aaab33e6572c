import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '..', '..');

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-builder-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** A builder that records its working directory and arguments. */
function standIn(name: string, code = 0): void {
  const file = join(directory, name);
  writeFileSync(
    file,
    `#!/bin/sh\nprintf '%s ' "$PWD" "$@" >> '${directory}/calls'\necho >> '${directory}/calls'\nexit ${code}\n`,
  );
  chmodSync(file, 0o755);
}

function build(...words: readonly string[]) {
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(root, 'scripts/build-images.mjs'), ...words],
    { env: { PATH: directory }, cwd: tmpdir(), encoding: 'utf8' },
  );
  const calls = join(directory, 'calls');
  return {
    status,
    stderr,
    calls: existsSync(calls) ? readFileSync(calls, 'utf8').split('\n') : [],
  };
}

test('both images are built by the first builder on the path, from the root, with the given options', () => {
  standIn('docker');
  standIn('nerdctl');
  const { status, calls, stderr } = build(
    '--registry',
    'registry.example.org/site',
    '--',
    '--pull',
  );
  expect(status).toBe(0);
  expect(calls).toEqual([
    `${root} build --file Containerfile --tag registry.example.org/site/keelson:0.1.0 --pull . `,
    `${root} build --file job/Containerfile --tag registry.example.org/site/keelson-job:0.1.0 --pull . `,
    '',
  ]);
  expect(stderr).toContain('docker builds registry.example.org/site/keelson:0.1.0');
});

test('a failed build ends it, and names the image that was not built', () => {
  standIn('podman', 3);
  const { status, calls, stderr } = build();
  expect(status).toBe(1);
  expect(calls).toHaveLength(2);
  expect(stderr).toContain('keelson:0.1.0 was not built: podman ended with 3.');
});

test('a named builder that is missing is reported', () => {
  const { status, stderr } = build('--builder', 'kaniko');
  expect(status).toBe(1);
  expect(stderr).toMatch(/keelson:0\.1\.0 was not built: .*kaniko.*ENOENT/);
});

test('without any builder it says how to build images without one', () => {
  const { status, stderr } = build();
  expect(status).toBe(1);
  expect(stderr).toContain('podman, docker, buildah, nerdctl');
  expect(stderr).toContain('npm run image:control');
});

test('an unknown option builds nothing, and shows the known ones', () => {
  standIn('podman');
  const { status, calls, stderr } = build('--registery', 'registry.example.org');
  expect({ status, calls }).toEqual({ status: 1, calls: [] });
  expect(stderr).toContain('--registry PREFIX');
});
