import type { MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { invalid, ServiceError } from '../core/errors.js';

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json$/i;

/**
 * Reads the body within the limit and refuses what is not declared as JSON; the route's schema reads it from there.
 * `optional`: an empty body is as good as `{}`.
 */
export function takeJson(maxBytes: number, { optional = false } = {}): MiddlewareHandler {
  return async (c, next) => {
    const bytes = await readBytes(c.req.raw, maxBytes);
    const type = c.req.header('content-type') ?? '';
    if (bytes.length === 0 && !optional) throw invalid('The request needs a JSON body.');
    if (bytes.length > 0 && !JSON_TYPE.test(type.split(';', 1)[0]?.trim() ?? '')) {
      throw new HTTPException(415, {
        message: `The content type is "${type}"; this operation takes application/json.`,
      });
    }
    const headers = new Headers(c.req.raw.headers);
    if (bytes.length === 0) headers.delete('content-type');
    else headers.set('content-type', 'application/json');
    const { url, method, signal } = c.req.raw;
    c.req.raw = new Request(url, { method, headers, body: bytes, signal });
    await next();
  };
}

/** The whole body; the count of what really comes decides, not the length that was announced. */
export async function readBytes(request: Request, maxBytes: number): Promise<Buffer<ArrayBuffer>> {
  const tooLarge = () =>
    new ServiceError('too_large', `The body is larger than the limit of ${maxBytes} bytes.`);
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  const body: AsyncIterable<Uint8Array> | null = request.body;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
