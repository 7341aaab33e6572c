import { createHash } from 'node:crypto';
import {
  lstatSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDirectory, findProgram } from '../lib/cache.mjs';
import { SetupError, runCommand } from './command.mjs';
import { installDebian } from './programs.mjs';
import { findPythonFor } from './python.mjs';

/** How names from `toDirectoryName` end. */
const DIGITS = /-[0-9a-f]{8}$/;

const requirements = new URL('../requirements/', import.meta.url);

/**
 * Installs Ansible in its own environment, linked as `<cache>/ansible`, or checks the one that ANSIBLE_PLAYBOOK names.
 * @param {import('../lib/cache.mjs').Environment} env
 */
export async function ensureAnsible(env) {
  if (env.ANSIBLE_PLAYBOOK) return checkAnsible(env.ANSIBLE_PLAYBOOK, env);
  const current = readLink(join(cacheDirectory(env), 'ansible'));
  const series = /^ansible-(\d+\.\d+)-/.exec(current ?? '')?.[1];
  if (series !== undefined && current === toDirectoryName(`ansible-${series}`)) return;
  const python = findPythonFor(env);
  await install({ name: 'ansible', series: `-${python.series}`, size: '8 MB', python, env });
}

/** The linters of job/. @param {import('../lib/cache.mjs').Environment} env */
export async function ensurePythonTools(env) {
  const name = 'python-tools';
  if (readLink(join(cacheDirectory(env), name)) === toDirectoryName(name)) return;
  await install({ name, series: '', size: '23 MB', python: findPythonFor(env), env });
}

/**
 * A virtual environment cannot be moved, so it is made under its final name, and a link marks it as complete.
 * @param {{ name: string, series: string, size: string, env: import('../lib/cache.mjs').Environment,
 *   python: ReturnType<typeof findPythonFor> }} what
 */
async function install({ name, series, size, python, env }) {
  const packages = [`python3.${python.minor}-venv`, 'python3-venv'];
  if (!python.hasVenv) await installDebian([`venv of ${python.file}`], packages, env);
  const cache = cacheDirectory(env);
  const link = join(cache, name);
  removeAbandoned(cache, name);
  const directory = toDirectoryName(`${name}${series}`);
  const program = join(cache, directory, 'bin', 'python3');
  const venv = [python.file, '-m', 'venv', join(cache, directory)];
  await runCommand(`${name}${series}: virtual environment`, venv);
  const list = fileURLToPath(new URL(`${name}${series}.txt`, requirements));
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', list];
  const title = `${name}${series} for Python 3.${python.minor} (downloads about ${size})`;
  await runCommand(title, [program, ...pip]);
  if (series !== '') replaceLink(`${link}${series}`, directory);
  replaceLink(link, directory);
}

/** Removes what an interrupted setup left, and environments of earlier pins. @param {string} cache @param {string} name */
function removeAbandoned(cache, name) {
  const current = readLink(join(cache, name));
  for (const entry of readdirSync(cache)) {
    const isEnvironment = entry.startsWith(`${name}-`) && DIGITS.test(entry);
    if (isEnvironment && entry !== current) rmSync(join(cache, entry), { recursive: true });
  }
}

/** The same pins give the same name. @param {string} list */
function toDirectoryName(list) {
  const pins = readFileSync(new URL(`${list}.txt`, requirements));
  return `${list}-${createHash('sha256').update(pins).digest('hex').slice(0, 8)}`;
}

/** @param {string} link */
function readLink(link) {
  try {
    const target = readlinkSync(link);
    lstatSync(join(link, 'bin'));
    return target;
  } catch {
    return undefined;
  }
}

/** @param {string} link @param {string} target */
function replaceLink(link, target) {
  // A real directory was put there by hand, so it is left alone.
  if (lstatSync(link, { throwIfNoEntry: false })?.isDirectory()) return;
  const draft = `${link}.draft`;
  rmSync(draft, { force: true });
  symlinkSync(target, draft);
  renameSync(draft, link);
}

/** @param {string} name @param {import('../lib/cache.mjs').Environment} env */
function checkAnsible(name, env) {
  const file = findProgram(name, env);
  if (file === undefined) throw new SetupError(`ANSIBLE_PLAYBOOK: there is no program ${name}.`);
  const output = execFileSync(file, ['--version'], { encoding: 'utf8' });
  const [, minor = ''] = /\bcore 2\.(\d+)/.exec(output) ?? [];
  if (minor === '' || Number(minor) < 14 || Number(minor) > 19) {
    throw new SetupError(
      `ANSIBLE_PLAYBOOK: ansible-core 2.14 to 2.19 is supported; ${file} is ${output.split('\n')[0]}.`,
    );
  }
}
