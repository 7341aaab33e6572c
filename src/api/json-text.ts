import { invalid } from '../core/errors.js';

const MAX_DEPTH = 100;
/** In longer texts, a place that V8 does not give is not searched for. */
const MAX_SEARCHED = 65_536;
const UNEXPECTED = 'Unexpected token';
const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a];

/** Refuses what is not JSON, and also duplicate members and deep nesting, which JSON.parse accepts. */
export function checkJsonText(text: string): void {
  parseJsonText(text);
}

/** Parses a text that passes the same checks. `what` names it in the message if it is not JSON. */
export function parseJsonText(text: string, what = 'The body'): unknown {
  const value = parse(text, what);
  const fault = findFault(text);
  if (fault !== undefined) throw invalid(fault);
  return value;
}

function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`${what} is not valid JSON${describePlace(error as Error, text)}.`);
  }
}

/** Returns only the place of the error, because the rest of V8's message may quote the body. */
function describePlace({ message }: Error, text: string): string {
  // Checked first: this message gives no place but quotes the body, which may look like one.
  if (message.startsWith(UNEXPECTED))
    return text.length > MAX_SEARCHED ? '' : `: ${findUnexpected(text)}`;
  const [place] = /line \d+ column \d+/.exec(message) ?? [];
  if (place !== undefined) return `: ${place}`;
  return message.includes('end of JSON') ? ': it ends too early' : '';
}

/** Finds the place by bisection: the end of the shortest prefix that V8 refuses in this way. */
function findUnexpected(text: string): string {
  let [shortest, longest] = [1, text.length];
  while (shortest < longest) {
    const middle = Math.floor((shortest + longest) / 2);
    if (isUnexpected(text.slice(0, middle))) longest = middle;
    else shortest = middle + 1;
  }
  const lines = text.slice(0, shortest).split(/\r\n|[\r\n]/);
  return `line ${lines.length} column ${lines.at(-1)?.length ?? 0}`;
}

function isUnexpected(text: string): boolean {
  try {
    JSON.parse(text);
    return false;
  } catch (error) {
    return (error as Error).message.startsWith(UNEXPECTED);
  }
}

/** Makes one pass over text that is known to be JSON. */
function findFault(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charCodeAt(index);
    if (character === QUOTE) {
      const end = findStringEnd(text, index);
      const names = open.at(-1);
      if (names !== undefined && isName(text, end)) {
        const name = JSON.parse(text.slice(index, end + 1)) as string;
        if (names.has(name)) return `The member is given twice - '${name}'`;
        names.add(name);
      }
      index = end;
    } else if (character === 0x7b || character === 0x5b) {
      open.push(character === 0x7b ? new Set() : undefined);
      if (open.length > MAX_DEPTH) return `The body is nested deeper than ${MAX_DEPTH} levels.`;
    } else if (character === 0x7d || character === 0x5d) {
      open.pop();
    }
  }
  return undefined;
}

function findStringEnd(text: string, start: number): number {
  for (let index = start + 1; ; index += 1) {
    const character = text.charCodeAt(index);
    if (character === QUOTE) return index;
    if (character === BACKSLASH) index += 1;
  }
}

function isName(text: string, end: number): boolean {
  let index = end + 1;
  while (/\s/.test(text.charAt(index))) index += 1;
  return text.charCodeAt(index) === COLON;
}
