import { readFileSync } from 'node:fs';
import { addAbortSignal } from 'node:stream';
import { text } from 'node:stream/consumers';

/** Reads a file; `-` is standard input. */
export async function readGiven(file: string, signal: AbortSignal): Promise<string> {
  return file === '-' ? readInput(signal) : readFileSync(file, 'utf8');
}

/** Reads asynchronously: a blocking read would not notice Ctrl-C. */
function readInput(signal: AbortSignal): Promise<string> {
  return text(addAbortSignal(signal, process.stdin));
}
