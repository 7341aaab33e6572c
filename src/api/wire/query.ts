import { z } from '@hono/zod-openapi';
import { parseAge } from '../../core/age.js';
import { invalid } from '../../core/errors.js';
import { age, text } from './values.js';

/** Limit of an SQL statement. A request line of 64 KiB holds fewer. */
const MAX_TAGS = 16_000;

/** The last value of a repeated parameter counts. */
function last<T extends z.ZodType>(schema: T) {
  return z.preprocess(
    (value: unknown): unknown => (Array.isArray(value) ? value.at(-1) : value),
    schema,
  );
}

export function textParameter(description: string) {
  return last(text().optional()).openapi({ type: 'string', description });
}

export function choiceParameter<const T extends readonly string[]>(values: T, description: string) {
  return last(z.enum(values).optional()).openapi({
    type: 'string',
    enum: [...values],
    description,
  });
}

/** `true` or `false` in any letter case; anything else is refused, even empty text. */
export function booleanParameter(description: string) {
  const flag = z
    .string()
    .regex(/^(?:true|false)$/i, 'Must be true or false')
    .transform((value) => value.toLowerCase() === 'true');
  return last(flag.optional()).openapi({ type: 'boolean', description });
}

/** More than any number of records. Larger values, such as Python's `sys.maxsize`, are reduced to it. */
const LARGEST = 1e15 - 1;

export function integerParameter(minimum: number, description: string) {
  const integer = z
    .string()
    .regex(/^[+-]?\d+$/, 'Must be a whole number')
    .transform((value) => Math.min(Number(value), LARGEST))
    .refine((value) => value >= minimum, `Must be at least ${minimum}`);
  return last(integer.optional()).openapi({ type: 'integer', minimum, description });
}

/** Empty: no filter. */
export function ageParameter(description: string) {
  return last(age().optional()).openapi({ type: 'string', example: '7d', description });
}

/** Empty text counts as absent. */
function idParameter(description: string) {
  const id = text().transform((value) => (value === '' ? undefined : value));
  return last(id.optional()).openapi({ type: 'string', description });
}

export const pageParameters = {
  limit: integerParameter(1, 'Maximum number of records; default: option `default_page_size`.'),
  after_id: idParameter('Begin after this id, which need not exist.'),
};

/** Returns the time that lies `given`, an age, before `now`; undefined without an age. */
export function toMoment(
  member: string,
  given: string | undefined,
  now: string,
): string | undefined {
  const seconds = parseAge(given ?? '');
  if (seconds === undefined) return undefined;
  const moment = Date.parse(now) - seconds * 1000;
  if (moment < 0) throw invalid(`The age reaches back before 1970 - '${member}'`);
  return new Date(moment).toISOString();
}

/** Parses `name=value[,name=value...]`. */
export function parseTags(value: string | undefined): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === '') return undefined;
  const entries = value.split(',').map((element): [string, string] => {
    const [name, content, more] = element.split('=');
    if (name === undefined || content === undefined || more !== undefined) {
      throw refuseTags(`"${element}" is not name=value`);
    }
    return [name, content];
  });
  if (new Set(entries.map(([name]) => name)).size < entries.length) {
    throw refuseTags('a name is given twice');
  }
  if (entries.length > MAX_TAGS) throw refuseTags(`there are more than ${MAX_TAGS}`);
  return Object.fromEntries(entries);
}

function refuseTags(what: string): Error {
  return invalid(`tags: ${what} - 'tags'`, 'Error parsing the tags provided.');
}
