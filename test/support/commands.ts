import { execFile } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findTools } from '../../scripts/lib/tools.mjs';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));

/** Runs a command such as `npm run sweep` as the project's scripts do. Returns what it printed. */
export async function runCommand(
  name: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<string> {
  const file = join(DIST, 'commands', `${name}.js`);
  const { stdout } = await promisify(execFile)(process.execPath, [file, ...args], { env });
  return stdout;
}

/** Runs a program that PostgreSQL brings with it. */
export async function runPostgresProgram(
  program: 'pg_dump' | 'pg_restore',
  ...args: readonly string[]
): Promise<void> {
  const { initdb = '' } = findTools(process.env);
  await promisify(execFile)(join(dirname(realpathSync(initdb)), program), [...args]);
}
