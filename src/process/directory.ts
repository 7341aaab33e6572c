import { existsSync, mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Variable } from '../config/variables.js';

/**
 * Makes the directory and its missing parents. Node's own `recursive` never returns where no directory can be made, as below
 * `/proc`: it takes the system's "no such directory" for a missing parent.
 */
export function makeDirectory(directory: string): void {
  if (existsSync(directory)) return;
  const parent = dirname(directory);
  if (parent !== directory) makeDirectory(parent);
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    // Another process that started at the same time may have made it.
    if (toCode(error) !== 'EEXIST') throw error;
  }
}

/** Adds what to do about a directory that cannot be used. Errors that do not come from the system are returned unchanged. */
export function toDirectoryFailure(variable: Variable, directory: string, error: unknown): unknown {
  const code = toCode(error);
  if (code === undefined) return error;
  const advice = ['ENOSPC', 'EDQUOT'].includes(code)
    ? 'Make room on its disk.'
    : 'Name one that the user of this process may write to.';
  return new Error(
    `${variable}: the directory ${resolve(directory)} cannot be written to (${code}). ${advice}`,
  );
}

function toCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
