import { spawn } from 'node:child_process';

/** An error whose message is shown to the user without a stack trace. */
export class SetupError extends Error {}

export const PROGRESS_MS = 5000;

/** @type {Set<import('node:child_process').ChildProcess>} */
const children = new Set();

/** If the setup is interrupted, ends what it started. The next setup removes what is half done. */
export function endChildrenOnSignals() {
  for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.once(name, () => {
      for (const child of children) child.kill('SIGTERM');
      process.exit(130);
    });
  }
}

/**
 * Runs a command to its end and shows progress. Its output is shown only if it fails.
 * @param {string} title @param {string[]} argv
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string }} [options]
 */
export async function runCommand(title, [program = '', ...args], options = {}) {
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => (output = (output + text).slice(-8000)));
  }
  const code = await withProgress(title, () => {
    return new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('close', (exitCode, signal) => resolve(exitCode ?? signal));
    });
  });
  children.delete(child);
  if (code !== 0) throw new SetupError(`${title} failed (${code}).\n${toExcerpt(output)}`);
  return output;
}

/**
 * Shows progress at the start, every five seconds and at the end; on stderr, because a program may read stdout.
 * @template T @param {string} title @param {() => Promise<T>} act @param {() => string} [describe]
 */
export async function withProgress(title, act, describe = () => '') {
  const start = Date.now();
  const seconds = () => `${Math.round((Date.now() - start) / 1000)} s`;
  console.error(`- ${title}`);
  const timer = setInterval(() => console.error(`  ... ${seconds()}${describe()}`), PROGRESS_MS);
  try {
    const value = await act();
    if (Date.now() - start > 1000) console.error(`  done in ${seconds()}`);
    return value;
  } finally {
    clearInterval(timer);
  }
}

/** The end of the output, without the addresses of the site's package servers. @param {string} output */
export function toExcerpt(output) {
  const hidden = output.replace(/(https?:\/\/)[^\s/'")]+/g, '$1...');
  const lines = hidden.trimEnd().split('\n').slice(-20);
  return lines.map((line) => line.slice(0, 300)).join('\n');
}
