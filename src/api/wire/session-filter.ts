import { z } from '@hono/zod-openapi';
import { omitUndefined } from '../../core/omit-undefined.js';
import type { SessionFilter } from '../../store/store.js';
import {
  ageParameter,
  choiceParameter,
  pageParameters,
  parseTags,
  textParameter,
  toMoment,
} from './query.js';
import { SessionWire } from './session.js';

const STATUSES = ['pending', 'running', 'complete'] as const;
const SUCCEEDED = ['none', 'true', 'false', 'unknown'] as const;

const common = {
  min_age: ageParameter('Started at least this long ago.'),
  max_age: ageParameter('Started at most this long ago.'),
  name_contains: textParameter('Part of the name.'),
  tags: textParameter('`name=value`, separated by commas; all must match.'),
};

const filters = {
  ...common,
  status: choiceParameter([...STATUSES, ''], 'Empty: any.'),
  succeeded: choiceParameter([...SUCCEEDED, ''], 'Empty: any.'),
};

export const SessionFilters = z.object(filters);
export const SessionFiltersV2 = z.object({
  ...common,
  age: ageParameter('Alias of `min_age`, which takes precedence.'),
  status: choiceParameter(STATUSES, 'Absent: any.'),
  succeeded: choiceParameter(SUCCEEDED, 'Absent: any.'),
});
export const SessionQuery = z.object({ ...filters, ...pageParameters });

type Filters = z.output<typeof SessionFilters> & { readonly age?: string | undefined };
type Query = z.output<typeof SessionQuery>;

const nullableText = z.string().nullable();

const SessionNext = z.object({
  age: z.null(),
  min_age: nullableText,
  max_age: nullableText,
  status: nullableText,
  succeeded: nullableText,
  name_contains: nullableText,
  tags: nullableText,
  limit: z.int(),
  after_id: z.string(),
});

export const SessionPage = z
  .object({ sessions: z.array(SessionWire), next: SessionNext.nullable() })
  .openapi('V3SessionPage');

export const SessionIds = z
  .object({ session_ids: z.array(z.string()) })
  .openapi('SessionIds', { example: { session_ids: ['compute-1'] } });

export function fromSessionFilters(query: Filters, now: string): SessionFilter {
  const createdUntil = toMoment(...readMinAge(query), now);
  const createdFrom = toMoment('max_age', query.max_age, now);
  const tags = parseTags(query.tags);
  const { status = '', succeeded = '', name_contains: nameContains = '' } = query;
  return {
    ...(status === '' ? {} : { state: status }),
    ...(succeeded === '' ? {} : { succeeded }),
    ...(nameContains === '' ? {} : { nameContains }),
    ...omitUndefined({ createdUntil, createdFrom, tags }),
  };
}

function readMinAge({ age, min_age: minAge }: Filters): [member: string, age: string | undefined] {
  return minAge === undefined || minAge === '' ? ['age', age] : ['min_age', minAge];
}

/** All parameters of the operation with their effective values; a client sends them to get the next page. */
export function toSessionNext(
  query: Query,
  limit: number,
  lastId: string,
): z.output<typeof SessionNext> {
  return {
    age: null,
    min_age: query.min_age ?? null,
    max_age: query.max_age ?? null,
    status: query.status ?? null,
    succeeded: query.succeeded ?? null,
    name_contains: query.name_contains ?? null,
    tags: query.tags ?? null,
    limit,
    after_id: lastId,
  };
}
