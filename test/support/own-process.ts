import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');

/** The output of a script in a process of its own, which an unhandled rejection would end. */
export function runAlone(script: string): string {
  const args = ['--input-type=module', '--eval', script];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return status === 0 ? stdout : stderr;
}
