import type { Context, TypedResponse } from 'hono';
import type { JSONParsed } from 'hono/utils/types';
import { invalid, type ServiceError } from '../core/errors.js';
import { omitUndefined } from '../core/omit-undefined.js';
import type { Page, PageRequest } from '../store/database/page.js';
import type { ApiEnv, Logger } from './dependencies.js';

/** A list that a client asks for. It may ask for any number of records at once. */
export interface ListAnswer<Item, Wire> {
  readonly limit: number;
  readonly afterId?: string | undefined;
  readonly read: (page: PageRequest) => Promise<Page<Item>>;
  readonly render: (items: readonly Item[]) => Rendered<Wire>;
  /** What the page behind this record begins after. */
  readonly toId: (item: Item) => string;
}

/** All at once, or part by part. */
type Rendered<Wire> = readonly Wire[] | Promise<readonly Wire[]> | AsyncIterable<readonly Wire[]>;

export interface PageAnswer<Item, Wire, Member extends string, Next> extends ListAnswer<
  Item,
  Wire
> {
  /** The member of the answer that has the records. */
  readonly member: Member;
  /** The parameters of the page that begins after this id. */
  readonly toNext: (lastId: string) => Next;
}

type JsonResponse<Body> = Response & TypedResponse<JSONParsed<Body>, 200, 'json'>;
type PageBody<Wire, Member extends string, Next> = { readonly [member in Member]: Wire[] } & {
  readonly next: Next | null;
};

type Texts = AsyncIterator<string> | Iterator<string>;

interface ListEnd {
  /** Absent: the list is empty. */
  readonly lastId: string | undefined;
  /** Whether there are records beyond the limit. */
  readonly hasMore: boolean;
}

/** Read by one query, so that a list of the default size shows all of what others change at once, or nothing of it. */
const FIRST_RECORDS = 1000;
/** How many records are made into one text. */
const TEXT_RECORDS = 100;
/** About as many characters of records are read at once, after the first records, and are sent at once. */
const PIECE_LENGTH = 1_000_000;
const JSON_TYPE = { 'Content-Type': 'application/json' };

/**
 * Answers with a page in v3, and with the members of `head`. A large page is sent while it is read, no faster than the client
 * takes it.
 */
export async function answerPage<
  Item,
  Wire,
  Member extends string,
  Next,
  Head extends object = object,
>(
  c: Context<ApiEnv>,
  logger: Logger,
  page: PageAnswer<Item, Wire, Member, Next>,
  head?: Head,
): Promise<JsonResponse<NoInfer<Head> & PageBody<Wire, Member, Next>>> {
  const answered = await answerTexts(c, logger, toPageTexts(page, head));
  return answered as JsonResponse<Head & PageBody<Wire, Member, Next>>;
}

/** Answers with a list in v2. One that exceeds the limit is refused, so nothing is sent before it is known how long it is. */
export async function answerList<Item, Wire>(
  c: Context<ApiEnv>,
  logger: Logger,
  list: ListAnswer<Item, Wire>,
): Promise<JsonResponse<Wire[]>> {
  const texts = toListTexts(list);
  // If one read finds all records, it also finds that there are more.
  const sent = list.limit <= FIRST_RECORDS ? texts : await readAll(texts);
  return (await answerTexts(c, logger, sent)) as JsonResponse<Wire[]>;
}

async function readAll(texts: AsyncIterable<string>): Promise<Iterator<string>> {
  const all: string[] = [];
  for await (const text of texts) all.push(text);
  return all.values();
}

async function* toPageTexts<Item, Wire, Member extends string, Next>(
  page: PageAnswer<Item, Wire, Member, Next>,
  head: object = {},
): AsyncGenerator<string, void> {
  const members = [...Object.entries(head), [page.member, []]];
  yield JSON.stringify(Object.fromEntries(members)).replace(/\]\}$/, '');
  const { lastId, hasMore } = yield* readTexts(page);
  const next = hasMore && lastId !== undefined ? page.toNext(lastId) : null;
  yield `],"next":${JSON.stringify(next)}}`;
}

async function* toListTexts<Item, Wire>(
  list: ListAnswer<Item, Wire>,
): AsyncGenerator<string, void> {
  yield '[';
  yield* readTexts(list, () => {
    throw tooLong(list.limit);
  });
  yield ']';
}

/** v2 has no pages, so a list that does not fit into one answer is refused. */
function tooLong(limit: number): ServiceError {
  return invalid(
    `More than ${limit} records match, the limit of the option default_page_size. Ask for fewer, or use v3.`,
    'The response size is too large',
  );
}

/**
 * Yields JSON of the records, with commas between them. Reads as many at once as the size of those before suggests. Calls
 * `onMore` before the texts of the last read if there are more records than the limit.
 */
async function* readTexts<Item, Wire>(
  list: ListAnswer<Item, Wire>,
  onMore: () => void = () => undefined,
): AsyncGenerator<string, ListEnd> {
  const { limit, read, render, toId } = list;
  let lastId = list.afterId;
  let [left, atOnce, separator] = [limit, FIRST_RECORDS, ''];
  for (;;) {
    const page = { limit: Math.min(left, atOnce), ...omitUndefined({ afterId: lastId }) };
    const { items, hasMore } = await read(page);
    if (hasMore && items.length === left) onMore();
    const last = items.at(-1);
    if (last !== undefined) {
      let length = 0;
      for await (const text of toTexts(render(items))) {
        yield separator + text;
        separator = ',';
        length += text.length;
      }
      lastId = toId(last);
      left -= items.length;
      // Nothing is left of records that are all gone by now.
      if (length > 0) atOnce = Math.max(1, Math.floor((items.length * PIECE_LENGTH) / length));
    }
    if (!hasMore || left === 0) return { lastId, hasMore };
  }
}

async function* toTexts(rendered: Rendered<unknown>): AsyncGenerator<string, void> {
  for await (const records of inParts(rendered)) {
    for (let from = 0; from < records.length; from += TEXT_RECORDS) {
      const some = records.slice(from, from + TEXT_RECORDS);
      yield some.map((record) => JSON.stringify(record)).join(',');
    }
  }
}

function inParts<Wire>(rendered: Rendered<Wire>) {
  return Symbol.asyncIterator in rendered ? rendered : [rendered];
}

/** Sends short answers at once, with their length, and others piece by piece. */
async function answerTexts(c: Context<ApiEnv>, logger: Logger, texts: Texts): Promise<Response> {
  const begun: string[] = [];
  for (let length = 0; length < PIECE_LENGTH; length += begun.at(-1)?.length ?? 0) {
    const next = await texts.next();
    if (next.done === true) return c.body(begun.join(''), 200, JSON_TYPE);
    begun.push(next.value);
  }
  return c.body(ReadableStream.from(encode(begun, texts, logger)), 200, JSON_TYPE);
}

/** If the rest cannot be read, the client sees its connection break. */
async function* encode(
  begun: readonly string[],
  rest: Texts,
  logger: Logger,
): AsyncGenerator<Uint8Array, void> {
  const encoder = new TextEncoder();
  try {
    for (const text of begun) yield encoder.encode(text);
    for (let next = await rest.next(); next.done !== true; next = await rest.next())
      yield encoder.encode(next.value);
  } catch (error) {
    logger.warn({ err: error }, 'the answer to a list was broken off');
    // The connection ends with this message, and the cause may have details that are not for clients.
    throw new Error('The rest of the list could not be read.');
  }
}
