import type { MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { invalid, ServiceError } from '../core/errors.js';
import { checkJsonText } from './json-text.js';

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json$/i;

const JSON_SPELLING = 'application/json';
const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads the body within the limit and refuses what is not declared as JSON; the route's schema reads it from there.
 * `optional`: an empty body is as good as `{}`. `undeclared`: CFS names no body for it, and so no type that is wrong.
 */
export function takeJson(
  maxBytes: number,
  { optional = false, undeclared = false } = {},
): MiddlewareHandler {
  return async (c, next) => {
    const bytes = await readBytes(c.req.raw, maxBytes);
    const type = c.req.header('content-type') ?? '';
    if (bytes.length === 0 && !optional) throw invalid('The request needs a JSON body.');
    if (bytes.length > 0 && !JSON_TYPE.test(type.split(';', 1)[0]?.trim() ?? '')) {
      throw new HTTPException(undeclared ? 400 : 415, {
        message: `The content type is "${type}"; this operation takes application/json.`,
      });
    }
    // In the spelling that the router knows; without any it refuses the text of an empty body.
    if (type !== JSON_SPELLING) c.req.raw.headers.set('content-type', JSON_SPELLING);
    const text = bytes.length === 0 ? '{}' : decode(bytes);
    checkJsonText(text);
    // Hono keeps promises there, though its types say text.
    Object.assign(c.req.bodyCache, { text: Promise.resolve(text) });
    await next();
  };
}

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw invalid('The body is not valid JSON: it is not UTF-8.');
  }
}

/** The whole body; the count of what really comes decides, not the length that was announced. */
export async function readBytes(request: Request, maxBytes: number): Promise<Buffer<ArrayBuffer>> {
  const announced = request.headers.get('content-length');
  if (Number(announced ?? 0) > maxBytes) throw tooLarge(maxBytes);
  if (announced === null) return collect(request.body, maxBytes);
  // No more than that comes, and this way costs a fraction of the other.
  const bytes = Buffer.from(await request.arrayBuffer());
  if (bytes.length > maxBytes) throw tooLarge(maxBytes);
  return bytes;
}

async function collect(
  body: AsyncIterable<Uint8Array> | null,
  maxBytes: number,
): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(maxBytes: number): ServiceError {
  return new ServiceError('too_large', `The body is larger than the limit of ${maxBytes} bytes.`);
}
