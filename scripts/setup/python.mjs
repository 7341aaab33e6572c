import { execFileSync } from 'node:child_process';
import { SetupError } from './command.mjs';
import { findProgram } from '../lib/cache.mjs';

const NAMES = ['python3', 'python3.12', 'python3.11', 'python3.10', 'python3.13'];

/** The `ansible-core` series that fits a Python's minor version. @type {Readonly<Record<number, string>>} */
const SERIES = { 10: '2.16', 11: '2.16', 12: '2.16', 13: '2.18' };

/**
 * The first Python that a supported Ansible runs on; those for the default series come first.
 * @param {import('../lib/cache.mjs').Environment} env
 */
export function findPythonFor(env) {
  const names = env.PYTHON ? [env.PYTHON] : NAMES;
  const found = names.flatMap((name) => describePython(findProgram(name, env)));
  const fitting = found.filter(({ minor }) => SERIES[minor] !== undefined);
  const best = fitting.find(({ minor }) => SERIES[minor] === '2.16') ?? fitting[0];
  if (best !== undefined) return { ...best, series: SERIES[best.minor] ?? '' };
  const versions =
    found.map(({ file, minor }) => `${file} is 3.${minor}`).join(', ') || 'none found';
  throw new SetupError(
    `Ansible needs Python 3.10 to 3.13 (${versions}). Install one, or name it: PYTHON=/path/to/python3.12`,
  );
}

/** @param {string | undefined} file */
function describePython(file) {
  if (file === undefined) return [];
  const ask =
    'import sys, importlib.util as u; print(*sys.version_info[:2], int(bool(u.find_spec("ensurepip"))))';
  try {
    const answer = execFileSync(file, ['-c', ask], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [major, minor = 0, ensurepip] = answer.split(' ').map(Number);
    return major === 3 ? [{ file, minor, hasVenv: ensurepip === 1 }] : [];
  } catch {
    return [];
  }
}
