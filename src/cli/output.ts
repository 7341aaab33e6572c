import { once } from 'node:events';
import { styleText } from 'node:util';
import { cutMiddle, cutToWidth, padToWidth, toWidth } from './width.js';

export type Tone = 'bold' | 'dim' | 'green' | 'red' | 'yellow';
type Cell = string | number;

/** Colours text on a terminal, unless NO_COLOR is set. */
export function paint(tone: Tone, text: string): string {
  return styleText(tone, text, { stream: process.stdout });
}

const MOVES = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;

/**
 * Makes text that others have written (names, messages, tasks of playbooks) safe for a terminal: it can neither move the cursor
 * nor set a colour nor change the direction of writing. Line breaks stay.
 */
export function toPlain(text: string): string {
  return text.replace(MOVES, (sign) => {
    const code = sign.charCodeAt(0);
    if (sign === '\n') return sign;
    if (sign === '\t') return ' ';
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : '\ufffd';
  });
}

/** Like `toPlain`, but in one line. */
export function toPlainLine(text: string): string {
  return toPlain(text.trim().replace(/\s*[\r\n]\s*/g, ' '));
}

interface TableOptions {
  /** Whether lines that do not fit are cut at their end. */
  readonly isCut?: boolean;
  /** The column whose cells lose their middle if lines do not fit. */
  readonly shrunk?: number;
  /** Absent: that of the terminal. Undefined, as for a pipe: everything fits. */
  readonly columns?: number | undefined;
}

const LEAST_SHRUNK = 30;

/** Columns are as wide as their widest cell; numbers are aligned to the right. */
export function renderTable(
  head: readonly string[],
  given: readonly (readonly Cell[])[],
  { isCut = false, shrunk, columns = readColumns() }: TableOptions = {},
): readonly string[] {
  const rows = given.map((row) =>
    row.map((cell) => (typeof cell === 'number' ? cell : toPlainLine(cell))),
  );
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => toWidth(String(row[column])))),
  );
  if (shrunk !== undefined) widths[shrunk] = shrinkTo(columns, widths, shrunk);
  const render = (cells: readonly Cell[]) => {
    const line = cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        if (typeof cell === 'number') return String(cell).padStart(width);
        return padToWidth(cutMiddle(cell, width), width);
      })
      .join('  ')
      .trimEnd();
    return isCut ? cutEnd(line, columns) : line;
  };
  return [paint('dim', render(head)), ...rows.map(render)];
}

function shrinkTo(columns = Infinity, widths: readonly number[], shrunk: number): number {
  const total = widths.reduce((sum, width) => sum + width + 2, -2);
  const own = widths[shrunk] ?? 0;
  return Math.min(own, Math.max(LEAST_SHRUNK, own - (total - columns)));
}

/** The columns of the terminal, without those that are taken. Undefined if there is no terminal. */
export function readColumns(taken = 0): number | undefined {
  const { isTTY, columns } = process.stdout;
  // A terminal that does not know its width says 0.
  return isTTY && columns > 0 ? columns - taken : undefined;
}

function cutEnd(line: string, columns = Infinity): string {
  return toWidth(line) <= columns ? line : `${cutToWidth(line, columns - 1)}…`;
}

/** Parses times of the API. Those of sessions have no zone; they are UTC. */
export function toMillis(time: string): number {
  return Date.parse(/Z|[+-]\d\d:?\d\d$/.test(time) ? time : `${time}Z`);
}

/** The time from `start` to `end`, or to now if there is no end. */
export function formatDuration(start: string | null, end: string | null): string {
  if (start === null) return '-';
  const seconds = Math.max(
    0,
    ((end === null ? Date.now() : toMillis(end)) - toMillis(start)) / 1000,
  );
  return formatSeconds(seconds);
}

function formatSeconds(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

let unreadCode = 0;

/** Sets the exit code for the case that the reader of the output closes it early, as `| head` does. */
export function setUnreadCode(code: number): void {
  unreadCode = code;
}

/** Ends the program if output cannot be written; with a message, unless the reader has closed it. */
export function guardOutput(errorCode: number): void {
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(unreadCode);
    printNotice(`The output cannot be written: ${error.message}`);
    process.exit(errorCode);
  });
}

/** Writes to standard error, so that it does not mix with output that a program reads. */
export function printNotice(line: string): void {
  process.stderr.write(`${toPlain(line)}\n`);
}

/** Resolves when the reader can take more, so that a slow one costs no memory. */
export async function print(text: string | Uint8Array): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}

export function printLines(lines: readonly string[]): Promise<void> {
  return print(lines.map((line) => `${line}\n`).join(''));
}

export function printJson(value: unknown): Promise<void> {
  return print(`${JSON.stringify(value)}\n`);
}
