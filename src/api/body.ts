import type { Context, MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { invalid, ServiceError } from '../core/errors.js';
import { checkJsonText } from './json-text.js';

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json$/i;

const JSON_SPELLING = 'application/json';
/**
 * So long a client may pause in a body that is read as it arrives. Others wait for their turn meanwhile, and one that has
 * vanished would keep it until Node ends the request after five minutes.
 */
const SILENT_MS = 30_000;
const decoder = new TextDecoder('utf-8', { fatal: true });

interface BodyRules {
  /** An empty body counts as `{}`. */
  readonly optional?: boolean;
  /** CFS declares no body for the operation, so another content type is refused with 400 instead of 415. */
  readonly undeclared?: boolean;
}

interface ReceiveOptions {
  readonly preventCancel?: boolean;
  readonly silentMs?: number;
}

/** Reads the body within the limit and refuses what is not declared as JSON. The route's schema then parses it. */
export function takeJson(maxBytes: number, rules: BodyRules = {}): MiddlewareHandler {
  return async (c, next) => {
    const bytes = await readBytes(c.req.raw, maxBytes);
    requireJson(c, bytes.length === 0, rules);
    // The router accepts no other spelling, and refuses an empty body without a type.
    if (c.req.header('content-type') !== JSON_SPELLING)
      c.req.raw.headers.set('content-type', JSON_SPELLING);
    const text = bytes.length === 0 ? '{}' : decodeJson(bytes);
    checkJsonText(text);
    // Hono expects a promise here, although its types say text.
    Object.assign(c.req.bodyCache, { text: Promise.resolve(text) });
    await next();
  };
}

/** Refuses a body that is not declared as JSON, and an empty one unless it is optional. */
export function requireJson(
  c: Context,
  isEmpty: boolean,
  { optional = false, undeclared = false }: BodyRules = {},
): void {
  const type = c.req.header('content-type') ?? '';
  if (isEmpty && !optional) throw invalid('The request needs a JSON body.');
  if (!isEmpty && !JSON_TYPE.test(type.split(';', 1)[0]?.trim() ?? '')) {
    throw new HTTPException(undeclared ? 400 : 415, {
      message: `The content type is "${type}"; this operation takes application/json.`,
    });
  }
}

export function decodeJson(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw invalid('The body is not valid JSON: it is not UTF-8.');
  }
}

/** Reads the whole body. Its actual length must be within the limit, not only the announced one. */
export async function readBytes(request: Request, maxBytes: number): Promise<Buffer<ArrayBuffer>> {
  const announced = request.headers.get('content-length');
  if (Number(announced ?? 0) > maxBytes) throw tooLarge(maxBytes);
  if (announced === null) return collect(receive(request), maxBytes);
  // No more than announced can arrive, and this is much cheaper than reading chunks.
  const bytes = Buffer.from(await request.arrayBuffer().catch(refuseBroken));
  if (bytes.length > maxBytes) throw tooLarge(maxBytes);
  return bytes;
}

/** Reads the body as it arrives, within the limit. A body announced with at most `atOnce` bytes is one piece. */
export async function* readPieces(
  request: Request,
  { maxBytes, atOnce }: { readonly maxBytes: number; readonly atOnce: number },
): AsyncGenerator<Uint8Array> {
  const announced = Number(request.headers.get('content-length') ?? Infinity);
  if (announced <= atOnce) {
    yield await readBytes(request, maxBytes);
    return;
  }
  if (announced > maxBytes && announced !== Infinity) throw tooLarge(maxBytes);
  yield* limit(receive(request, { preventCancel: true }), maxBytes);
}

/** The body as it arrives. Only the client can break it off, by closing the connection or by saying nothing any more. */
export async function* receive(
  { body }: Request,
  { silentMs = SILENT_MS, ...options }: ReceiveOptions = {},
): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const pieces = body.values(options);
  let isAwaited = false;
  try {
    for (;;) {
      isAwaited = true;
      const piece = await inTime(pieces.next().catch(refuseBroken), silentMs);
      isAwaited = false;
      if (piece.done === true) return;
      yield piece.value;
    }
  } finally {
    // Returning would wait for the next piece, too.
    if (!isAwaited) await pieces.return?.();
  }
}

async function inTime<T>(piece: Promise<T>, silentMs: number): Promise<T> {
  const { promise: silence, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(invalid(`The client sent nothing more for ${silentMs / 1000} s.`)),
    silentMs,
  );
  try {
    return await Promise.race([piece, silence]);
  } finally {
    clearTimeout(timer);
  }
}

function refuseBroken(): never {
  throw invalid('The client disconnected before the request was complete.');
}

export async function collect(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  maxBytes: number,
): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  for await (const piece of limit(pieces, maxBytes)) chunks.push(piece);
  return Buffer.concat(chunks);
}

async function* limit(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const piece of pieces) {
    size += piece.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    yield piece;
  }
}

function tooLarge(maxBytes: number): ServiceError {
  return new ServiceError('too_large', `The body is larger than the limit of ${maxBytes} bytes.`);
}
