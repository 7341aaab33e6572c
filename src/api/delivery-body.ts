import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { invalid, ServiceError } from '../core/errors.js';
import { readBytes } from './body.js';
import { parse } from './validation.js';

const decompress = promisify(gunzip);

const MAX_SENT_BYTES = 1024 * 1024;
const MAX_BYTES = 8 * 1024 * 1024;
/** Header and trailer of gzip. */
const MIN_GZIP_BYTES = 18;
const MIN_BUFFER_BYTES = 1024;

export interface DeliveryBody {
  readonly bytes: Buffer;
  /** The compressed body; absent if it came uncompressed. */
  readonly gzip?: Buffer;
}

/** Reads and decompresses the body of a job's request, within the limits for both sizes. */
export async function readDelivery(c: Context): Promise<DeliveryBody> {
  const bytes = await readBytes(c.req.raw, MAX_SENT_BYTES);
  const encoding = (c.req.header('content-encoding') ?? 'identity').toLowerCase();
  if (encoding === 'identity') return { bytes };
  if (encoding !== 'gzip') throw invalid(`The content encoding "${encoding}" is not supported.`);
  try {
    return { bytes: await decompress(bytes, toBounds(bytes)), gzip: bytes };
  } catch (error) {
    if (isTooLarge(error)) {
      throw new ServiceError(
        'too_large',
        `The decompressed body has more than ${MAX_BYTES} bytes.`,
      );
    }
    throw invalid('The body is not gzip.');
  }
}

/**
 * Uses one buffer of the size that the last four bytes of gzip state, instead of many small ones and a copy. The sender may
 * state any size, so the buffer is bounded; a larger content takes several buffers.
 */
function toBounds(gzip: Buffer) {
  const named = gzip.length < MIN_GZIP_BYTES ? 0 : gzip.readUInt32LE(gzip.length - 4);
  const chunkSize = Math.min(Math.max(named, MIN_BUFFER_BYTES), MAX_BYTES) + 1;
  return { maxOutputLength: MAX_BYTES, chunkSize };
}

export async function readJsonDelivery<T extends z.ZodType>(
  c: Context,
  schema: T,
): Promise<z.output<T>> {
  const { bytes } = await readDelivery(c);
  return parse(schema, parseJson(bytes.toString()));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('The body is not valid JSON.');
  }
}

function isTooLarge(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
}
