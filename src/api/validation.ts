import type { z } from '@hono/zod-openapi';
import { invalid } from '../core/errors.js';

/** The router calls it with the result of each schema. The fault names the member by its dotted path. */
export function refuseInvalid(
  result: { readonly success: true } | { readonly success: false; readonly error: z.ZodError },
): undefined {
  if (!result.success) throw invalid(describe(result.error));
}

/** Checks a value; throws `invalid`. For bodies that the router does not parse. */
export function parse<T extends z.ZodType>(
  schema: T,
  value: unknown,
  /** Path of the value in the body. */
  place: readonly number[] = [],
): z.output<T> {
  const result = schema.safeParse(value);
  if (!result.success) throw invalid(describe(result.error, place));
  return result.data;
}

/** Describes the first fault in CFS's form: the text, then a dash and the path. */
function describe({ issues }: z.ZodError, place: readonly number[] = []): string {
  const issue = issues[0] && findCause(issues[0]);
  if (issue === undefined) return 'The input is not valid.';
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const path = [...place, ...issue.path, ...unknown].map(String).join('.');
  const text = unknown.length > 0 ? 'The member is not known' : toText(issue.message);
  return path === '' ? text : `${text} - '${path}'`;
}

/** For a union: finds the fault of the alternative that the value came closest to. */
function findCause(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue;
  const causes = issue.errors.flatMap(([first]) => (first === undefined ? [] : [findCause(first)]));
  const closest = causes.sort((left, right) => right.path.length - left.path.length)[0];
  return closest === undefined ? issue : { ...closest, path: [...issue.path, ...closest.path] };
}

function toText(message: string): string {
  return message.endsWith('received undefined') ? 'The member is required' : message;
}
