import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { z } from 'zod';
import { readBytes } from '../api/body.js';
import { invalid } from '../core/errors.js';
import { unprocessable, type FieldErrors } from './problem.js';

const MAX_BYTES = 1024 * 1024;
const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

/**
 * Like IMS, answers a body that is not JSON with 400 or 415 and a plain message, and one that does not match the schema with
 * 422.
 */
export async function readBody<T extends z.ZodType>(c: Context, schema: T): Promise<z.output<T>> {
  const bytes = await readBytes(c.req.raw, MAX_BYTES);
  const type = c.req.header('content-type') ?? '';
  if (!JSON_TYPE.test(type)) {
    const message = `The content type is "${type}"; this operation takes application/json.`;
    throw new HTTPException(415, { message });
  }
  const body = parseJson(bytes);
  if (isEmpty(body)) throw invalid('The request holds no data.');
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw unprocessable('The request has invalid members.', toFieldErrors(result.error));
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch {
    throw new HTTPException(400, { message: 'The body is not valid JSON.' });
  }
}

function isEmpty(body: unknown): boolean {
  return body === null || (typeof body === 'object' && Object.keys(body).length === 0);
}

interface Tree {
  [field: string]: string[] | Tree;
}

function toFieldErrors({ issues }: z.ZodError): FieldErrors {
  const errors: Tree = {};
  for (const issue of issues) {
    if (issue.code === 'unrecognized_keys')
      for (const key of issue.keys) addError(errors, [...issue.path, key], 'Unknown field.');
    else addError(errors, issue.path, issue.message);
  }
  return errors;
}

/** An item of a list is keyed by its index. */
function addError(errors: Tree, path: readonly PropertyKey[], message: string): void {
  const names = path.length === 0 ? ['_schema'] : path.map(String);
  const last = names.pop() ?? '';
  let place = errors;
  for (const name of names) {
    const next = place[name];
    // The whole field is already refused, so errors inside it are not reported.
    if (Array.isArray(next)) return;
    place = next ?? (place[name] = {});
  }
  const present = place[last];
  if (Array.isArray(present)) present.push(message);
  else place[last] = [message];
}
