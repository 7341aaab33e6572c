/** Runs test/end-to-end/upgrade.test.ts between an older version, which is built from git, and this one. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toJestCommand } from './lib/jest.mjs';
import { readArguments } from './lib/options.mjs';

const USAGE = `npm run upgrade:all -- VERSION

  VERSION    a tag, branch or commit: the version to upgrade from, and to go back to`;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const {
  positionals: [version],
} = readArguments(USAGE, {});
if (version === undefined) {
  console.error(USAGE);
  process.exit(1);
}

/** @param {string} command @param {readonly string[]} args @param {string} [cwd] */
function run(command, args, cwd = root) {
  const { status } = spawnSync(command, args, { cwd, env: process.env, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed.`);
}

/** The packages of this version serve if they are the same. @param {string} directory */
function addPackages(directory) {
  const [ours, theirs] = [root, directory].map((each) =>
    readFileSync(join(each, 'package-lock.json'), 'utf8'),
  );
  if (ours === theirs) symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  else run('npm', ['ci', '--no-audit', '--no-fund'], directory);
}

// An interrupt ends the program that runs, and then the worktree is removed, as after any other failure.
for (const name of ['SIGINT', 'SIGHUP']) process.on(name, () => undefined);
const parent = mkdtempSync(join(tmpdir(), 'keelson-older-'));
const older = join(parent, 'older');
try {
  run('git', ['worktree', 'add', '--quiet', '--detach', older, version]);
  addPackages(older);
  run(process.execPath, ['scripts/build.mjs'], older);
  process.env.OLDER_DIST = join(older, 'dist');
  process.env.REQUIRE_SERVERS = '1';
  const [command, ...words] = toJestCommand(['test/end-to-end/upgrade.test.ts']);
  run(command, words);
} catch (error) {
  console.error(/** @type {Error} */ (error).message);
  process.exitCode = 1;
} finally {
  spawnSync('git', ['worktree', 'remove', '--force', older], { cwd: root });
  rmSync(parent, { recursive: true, force: true });
}
