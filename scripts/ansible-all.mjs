/** Runs the tests of jobs with each series of Ansible that Keelson supports. CI has only the pinned one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory } from './lib/cache.mjs';
import { toJestCommand } from './lib/jest.mjs';
import { readArguments } from './lib/options.mjs';
import { SetupError, endChildrenOnSignals, runCommand } from './setup/command.mjs';
import { findPythonFor } from './setup/python.mjs';

/** The last of each series except that of the setup. A minor version of Python has only some of them. */
const VERSIONS = ['2.14.18', '2.15.13', '2.17.14', '2.18.19', '2.19.14'];

const USAGE = `npm run ansible:all -- [test files] [options]

  --version V       only this version of ansible-core; may be repeated (default ${VERSIONS.join(', ')})

Installs each version below the cache directory and runs the tests of jobs with it, or only the given files.`;

/**
 * The `ansible-playbook` of a version, in an environment that is complete as soon as it has that program.
 * @param {string} version
 */
async function install(version) {
  const directory = join(cacheDirectory(process.env), 'ansible-versions', version);
  const program = join(directory, 'bin', 'ansible-playbook');
  if (existsSync(program)) return program;
  mkdirSync(directory, { recursive: true });
  await runCommand(`ansible-core ${version}: virtual environment`, [
    ...[findPythonFor(process.env).file, '-m', 'venv', '--clear', directory],
  ]);
  await runCommand(`ansible-core ${version} (downloads about 8 MB)`, [
    ...[join(directory, 'bin', 'python3'), '-m', 'pip', 'install', '--quiet'],
    ...['--disable-pip-version-check', `ansible-core==${version}`],
  ]);
  return program;
}

/** @param {string} version @param {readonly string[]} files */
async function runTests(version, files) {
  const program = await install(version);
  console.error(`\nansible-core ${version}`);
  const [command, ...words] = toJestCommand(files);
  const child = spawn(command, words, {
    env: { ...process.env, ANSIBLE_PLAYBOOK: program },
    stdio: 'inherit',
  });
  const [code] = await once(child, 'exit');
  return code === 0 ? 'passed' : 'FAILED';
}

async function main() {
  const { values, positionals } = readArguments(USAGE, {
    version: { type: /** @type {const} */ ('string'), multiple: /** @type {const} */ (true) },
  });
  const files = positionals.length > 0 ? positionals : ['test/job/'];
  const verdicts = [];
  for (const version of values.version ?? VERSIONS)
    verdicts.push([version, await runTests(version, files)]);
  for (const [version, verdict] of verdicts) console.log(`ansible-core ${version}: ${verdict}`);
  if (verdicts.some(([, verdict]) => verdict !== 'passed')) process.exitCode = 1;
}

endChildrenOnSignals();
try {
  await main();
} catch (error) {
  console.error(error instanceof SetupError ? error.message : error);
  process.exitCode = 1;
}
