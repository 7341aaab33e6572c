import { spawn } from 'node:child_process';
import { basename } from 'node:path';
import { omitUndefined } from '../core/omit-undefined.js';

const TAIL_CHARACTERS = 4000;
const SHOWN_LINES = 3;

export interface ToolOptions {
  /** The job's mark, by which the program is found if the service is killed. */
  readonly mark: string;
  readonly signal: AbortSignal;
  readonly cwd?: string;
}

/** Runs a program to its end. If it fails, the end of its output is the error. If aborted, it has been killed on return. */
export async function runTool(
  [program, ...args]: readonly [string, ...string[]],
  { mark, signal, cwd }: ToolOptions,
): Promise<void> {
  signal.throwIfAborted();
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: toToolEnvironment(mark),
    // Ctrl-C must reach only the service, which then decides.
    detached: true,
    ...omitUndefined({ cwd }),
  });
  let tail = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-TAIL_CHARACTERS);
    });
  const kill = () => child.kill('SIGKILL');
  signal.addEventListener('abort', kill);
  const code = await new Promise<number | string>((resolve) => {
    child.once('error', ({ message }) => resolve(message));
    child.once('close', (exitCode, killed) => resolve(exitCode ?? killed ?? 'unknown'));
  }).finally(() => signal.removeEventListener('abort', kill));
  signal.throwIfAborted();
  if (code !== 0) throw new Error(`${basename(program)} failed (${code}): ${toLastWords(tail)}`);
}

export function toToolEnvironment(mark: string): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LANG: 'C.UTF-8', KEELSON_JOB: mark };
}

/** The last lines of an output, as one line. */
export function toLastWords(output: string): string {
  const lines = output.split('\n').map((line) => line.trim());
  return lines
    .filter((line) => line !== '')
    .slice(-SHOWN_LINES)
    .join(' | ');
}
