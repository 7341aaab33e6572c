import { once } from 'node:events';
import { styleText } from 'node:util';

export type Tone = 'bold' | 'dim' | 'green' | 'red' | 'yellow';
type Cell = string | number;

/** In colour where a person reads: not in a pipe, not with NO_COLOR. */
export function paint(tone: Tone, text: string): string {
  return styleText(tone, text, { stream: process.stdout });
}

const MOVES = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;

/**
 * What others have written (names, messages, tasks of playbooks), for a terminal: nothing in it moves the cursor, sets a colour or
 * turns the direction. Lines stay lines.
 */
export function toPlain(text: string): string {
  return text.replace(MOVES, (sign) => {
    const code = sign.charCodeAt(0);
    if (sign === '\n') return sign;
    if (sign === '\t') return ' ';
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : '\ufffd';
  });
}

/** The same as one line. */
export function toPlainLine(text: string): string {
  return toPlain(text.trim().replace(/\s*[\r\n]\s*/g, ' '));
}

/** Columns as wide as their widest cell; numbers to the right. */
export function renderTable(
  head: readonly string[],
  given: readonly (readonly Cell[])[],
): readonly string[] {
  const rows = given.map((row) =>
    row.map((cell) => (typeof cell === 'number' ? cell : toPlainLine(cell))),
  );
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => String(row[column]).length)),
  );
  const render = (cells: readonly Cell[]) =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return typeof cell === 'number' ? String(cell).padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return [paint('dim', render(head)), ...rows.map(render)];
}

/** As much of a text as a screen has room for; all of it in a pipe. */
export function cut(text: string, most: number): string {
  const isShown = process.stdout.isTTY && text.length > most;
  return isShown ? `${text.slice(0, Math.max(0, most - 1))}…` : text;
}

/** Of the API's times, of which those of sessions have no zone. */
export function toMillis(time: string): number {
  return Date.parse(/Z|[+-]\d\d:?\d\d$/.test(time) ? time : `${time}Z`);
}

/** Without an end: until now. */
export function formatDuration(start: string | null, end: string | null): string {
  if (start === null) return '-';
  const seconds = Math.max(
    0,
    ((end === null ? Date.now() : toMillis(end)) - toMillis(start)) / 1000,
  );
  return formatSeconds(seconds);
}

export function formatSeconds(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

let unreadCode = 0;

/** What the program ends with if its reader has seen enough, as `| head` has. */
export function setUnreadCode(code: number): void {
  unreadCode = code;
}

/** Output that cannot be written ends the program, with a sentence if it is not for the reader's leaving. */
export function guardOutput(errorCode: number): void {
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(unreadCode);
    tell(`The output cannot be written: ${error.message}`);
    process.exit(errorCode);
  });
}

/** To whoever reads on the screen, apart from what a program reads. */
export function tell(line: string): void {
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
