import { setImmediate } from 'node:timers/promises';
import type { Context, MiddlewareHandler } from 'hono';
import { createTurns } from '../process/turns.js';
import { collect, decodeJson, readPieces, receive, requireJson } from './body.js';
import type { ApiDependencies } from './dependencies.js';
import { splitJsonList } from './json-list.js';
import { parseJsonText } from './json-text.js';

const BRACKET = 0x5b;
const BLANKS = new Set([0x09, 0x0a, 0x0d, 0x20]);
/** After this much of a list, other requests get their turn. */
const PIECE_BYTES = 64 * 1024;
/** Sharing a shorter text would save nothing. */
const SHARED_LENGTH = 10;
const MOST_SHARED = 10_000;

type Limits = Pick<ApiDependencies, 'maxBodyBytes' | 'maxListBytes'>;

export type ListBody<T> =
  | { readonly kind: 'list'; readonly items: readonly T[] }
  /** Any other JSON, within the limit of ordinary bodies. */
  | { readonly kind: 'other'; readonly value: unknown };

/** Handles lists that exceed the limit of ordinary bodies one at a time, so that memory is bounded. */
export function takeLargeInTurn({ maxBodyBytes }: Limits): MiddlewareHandler {
  const turns = createTurns(1);
  return async (c, next) => {
    const announced = Number(c.req.header('content-length') ?? Infinity);
    if (announced <= maxBodyBytes) await next();
    else await turns.take(next, c.req.raw.signal);
  };
}

/** Parses each element of a list as it arrives, so that the whole text is never in memory. */
export async function readListBody<T>(
  c: Context,
  { maxBodyBytes, maxListBytes }: Limits,
  parseItem: (value: unknown, index: number) => T,
): Promise<ListBody<T>> {
  const pieces = cut(readPieces(c.req.raw, { maxBytes: maxListBytes, atOnce: maxBodyBytes }));
  try {
    return await readWhole(c, pieces, maxBodyBytes, parseItem);
  } catch (error) {
    await pieces.return(undefined);
    // A client that sends no rest is told what is wrong with what it has sent.
    await passOver(c.req.raw, maxListBytes).catch(() => undefined);
    throw error;
  }
}

/** Reads the rest of the body: otherwise a client that still sends would see a broken connection instead of the answer. */
async function passOver(request: Request, maxBytes: number): Promise<void> {
  if (request.body === null || request.body.locked) return;
  let bytes = 0;
  for await (const piece of receive(request, { preventCancel: true })) {
    bytes += piece.length;
    if (bytes > maxBytes) return;
  }
}

async function readWhole<T>(
  c: Context,
  pieces: AsyncGenerator<Uint8Array>,
  maxBodyBytes: number,
  parseItem: (value: unknown, index: number) => T,
): Promise<ListBody<T>> {
  const begin = await readBegin(pieces);
  requireJson(c, begin === undefined);
  if (begin?.[0] !== BRACKET) {
    const bytes = await collect(chain(begin, pieces), maxBodyBytes);
    const value = parseJsonText(decodeJson(bytes));
    if (!Array.isArray(value)) return { kind: 'other', value };
    // Decoding has dropped a byte order mark, because of which the first byte is not that of a list.
    return { kind: 'list', items: value.map((item, index) => parseItem(item, index)) };
  }
  const elements = splitJsonList(chain(begin.subarray(1), pieces), maxBodyBytes);
  return { kind: 'list', items: await parseItems(elements, parseItem) };
}

async function* cut(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    for (let start = 0; start < piece.length; start += PIECE_BYTES) {
      if (start > 0) await setImmediate();
      yield piece.subarray(start, start + PIECE_BYTES);
    }
  }
}

/** Reads up to the first byte that is not blank and returns the piece from there on; undefined if there is no body. */
async function readBegin(pieces: AsyncGenerator<Uint8Array>): Promise<Uint8Array | undefined> {
  let begin: Uint8Array | undefined;
  for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) {
    const first = next.value.findIndex((byte) => !BLANKS.has(byte));
    begin = next.value.subarray(first < 0 ? next.value.length : first);
    if (first >= 0) break;
  }
  return begin;
}

async function* chain(
  begin: Uint8Array | undefined,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (begin !== undefined) yield begin;
  yield* pieces;
}

async function parseItems<T>(
  elements: AsyncIterable<readonly string[]>,
  parseItem: (value: unknown, index: number) => T,
): Promise<readonly T[]> {
  const items: T[] = [];
  const known = new Map<string, string>();
  for await (const texts of elements) {
    for (const text of texts) {
      const value = parseJsonText(text, `Element ${items.length} of the list`);
      items.push(parseItem(shareTexts(value, known), items.length));
    }
  }
  return items;
}

/** Keeps one copy of equal texts, to save memory: the state of many nodes repeats the names of a few repositories. */
function shareTexts(value: unknown, known: Map<string, string>): unknown {
  if (typeof value === 'string') return shareText(value, known);
  if (typeof value !== 'object' || value === null) return value;
  const members = value as Record<string, unknown>;
  for (const name in members) members[name] = shareTexts(members[name], known);
  return value;
}

function shareText(text: string, known: Map<string, string>): string {
  if (text.length <= SHARED_LENGTH) return text;
  const shared = known.get(text);
  if (shared !== undefined) return shared;
  if (known.size < MOST_SHARED) known.set(text, text);
  return text;
}
