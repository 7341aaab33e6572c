import { z } from '@hono/zod-openapi';
import fc from 'fast-check';
import {
  HoldDelivery,
  HostDelivery,
  PhaseDelivery,
  SilenceDelivery,
  WaitDelivery,
} from '../../src/api/wire/delivery.js';

export interface FuzzRequest {
  readonly method: string;
  /** Path and query, as in the request line. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

type Schema = Readonly<Record<string, unknown>>;

/** Tame requests mostly follow the OpenAPI document; wild ones break it in some places. */
interface Mood {
  readonly text: fc.Arbitrary<string>;
  readonly rarely: <T, U>(first: fc.Arbitrary<T>, second: fc.Arbitrary<U>) => fc.Arbitrary<T | U>;
}

export interface FuzzSite {
  readonly document: ApiDocument;
  /** A job with a phase `ansible-0` that takes deliveries. */
  readonly job: { readonly id: string; readonly token: string };
  /** URLs of repositories: one that exists, and others. */
  readonly urls: readonly string[];
}

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly queries: readonly { readonly name: string; readonly schema: Schema }[];
  readonly body?: Schema;
}

/** The parts of the OpenAPI document from which requests are made. */
export interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Schema>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** Few names, so that requests meet records of earlier ones. */
const names = ['a', 'b', 'c', 'bench', 'compute-v3', 'debug_noop', 'cfs-a-0123abcd', 'ansible-0'];
const times = ['2026-01-01T00:00:00Z', '0000-01-01T00:00:00Z', '9999-12-31T23:59:59-23:59'];

const nasty = [
  ...['', ' ', '.', '..', '/', '%', '%00', '%ff', '\0', '\n', '\r\n', '\t', '\u{7f}', '\ud800'],
  ...['ä', '日本', '\u202e', '\ufeff', 'null', 'undefined', 'NaN', 'True', 'FALSE', '[]', '{}'],
  ...['-1', '0', '1e309', '1.5', '9007199254740993', '9'.repeat(40), '1d', '1w2h', '9'.repeat(20)],
  ...['999999999999d', '__proto__', 'constructor', 'toString', "'; drop table sessions; --"],
  ...['a=b', 'a=b,c=d', '=', ',', 'a'.repeat(300), 'x'.repeat(5000), '$(id)', '../../etc/passwd'],
];

const name = fc.constantFrom(...names);
const text = fc.oneof(
  { weight: 4, arbitrary: name },
  { weight: 3, arbitrary: fc.constantFrom(...nasty) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
);

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PURGE'];

const wild: Mood = { text, rarely };
const tame: Mood = { text: name, rarely: (_first, second) => second };

/** Generates requests that nearly follow the document, and some that no client would send. */
export function toFuzzRequests(site: FuzzSite): fc.Arbitrary<FuzzRequest> {
  const operations = [...readOperations(site.document), ...jobOperations];
  return fc.oneof(
    {
      weight: 8,
      arbitrary: fc
        .tuple(fc.constantFrom(...operations), fc.constantFrom(tame, wild))
        .chain(([operation, mood]) => fromOperation(operation, site, mood)),
    },
    { weight: 1, arbitrary: toStrayRequest(site) },
  );
}

function toStrayRequest({ job }: FuzzSite): fc.Arbitrary<FuzzRequest> {
  const starts = ['/', '/v3/', '/v2/', '/jobs/', '//', '/apis/cfs/'];
  return fc
    .record({
      method: fc.constantFrom(...methods),
      target: fc.tuple(fc.constantFrom(...starts), text).map((parts) => toTarget(parts.join(''))),
      headers: toHeaders(job.token, wild),
      body: fc.option(toBody(fc.jsonValue(), wild), { nil: undefined }),
    })
    .map(dropAbsentBody);
}

function dropAbsentBody({
  body,
  ...request
}: Omit<FuzzRequest, 'body'> & { readonly body: Buffer | undefined }): FuzzRequest {
  return body === undefined ? request : { ...request, body };
}

/** The protocol of jobs, which the document does not describe. */
const jobOperations: readonly Operation[] = [
  { method: 'PUT', path: '/jobs/{job}/phases/{phase}', queries: [], body: toSchema(PhaseDelivery) },
  { method: 'PATCH', path: '/jobs/{job}/phases/{phase}/log', queries: [], body: {} },
  { method: 'GET', path: '/jobs/{job}/phases/{phase}/log', queries: [] },
  toDelivery('hosts', HostDelivery),
  toDelivery('hold', HoldDelivery),
  { method: 'GET', path: '/jobs/{job}/phases/{phase}/hold', queries: [] },
  toDelivery('wait', WaitDelivery),
  toDelivery('silence', SilenceDelivery),
];

function toDelivery(what: string, body: z.ZodType): Operation {
  const path = `/jobs/{job}/phases/{phase}/${what}`;
  return { method: 'PUT', path, queries: [], body: toSchema(body) };
}

function toSchema(type: z.ZodType): Schema {
  return z.toJSONSchema(type, { io: 'input' });
}

function readOperations({ paths }: ApiDocument): readonly Operation[] {
  return Object.entries(paths).flatMap(([path, methodsOfPath]) =>
    Object.entries(methodsOfPath).map(([method, operation]) => {
      const parameters = (operation['parameters'] ?? []) as readonly Schema[];
      const queries = parameters
        .filter((parameter) => parameter['in'] === 'query')
        .map(({ name, schema }) => ({ name: String(name), schema: schema as Schema }));
      const content = (operation['requestBody'] as Schema | undefined)?.['content'];
      const json = (content as Schema | undefined)?.['application/json'] as Schema | undefined;
      const body = json?.['schema'] as Schema | undefined;
      return {
        ...{ method: method.toUpperCase(), path, queries },
        ...(body === undefined ? {} : { body }),
      };
    }),
  );
}

function fromOperation(
  { method, path, queries, body }: Operation,
  site: FuzzSite,
  mood: Mood,
): fc.Arbitrary<FuzzRequest> {
  const parameters = path.match(/\{\w+\}/g) ?? [];
  const query = fc.tuple(
    ...queries.map(({ name: key, schema }) =>
      fc.option(fc.tuple(fc.constant(key), toScalarText(schema, mood)), {
        freq: 1,
        nil: undefined,
      }),
    ),
    fc.option(fc.tuple(mood.text, mood.text), { freq: 1, nil: undefined }),
  );
  const stray = mood.rarely(toBody(fc.jsonValue(), mood), fc.constant(undefined));
  return fc
    .record({
      method: mood.rarely(fc.constantFrom(...methods), fc.constant(method)),
      prefix: mood.rarely(
        fc.constantFrom('//', '/v2/..', '/nowhere'),
        fc.constantFrom('', '/apis/cfs'),
      ),
      values: fc.tuple(...parameters.map((parameter) => toParameter(parameter, site, mood))),
      suffix: mood.rarely(fc.constantFrom('/', '/x', '//', '%2f', '%'), fc.constant('')),
      query,
      headers: path.startsWith('/jobs/')
        ? toJobHeaders(path, site, mood)
        : toHeaders(site.job.token, mood),
      body: body === undefined ? stray : toBody(fromSchema(body, site, mood), mood),
    })
    .map(({ prefix, values, suffix, query: pairs, ...request }) => {
      const given = pairs.filter((pair) => pair !== undefined);
      const search = given.map(([key, value]) => `${encode(key)}=${encode(value)}`).join('&');
      const filled = values.reduce(
        (filling, value, index) => filling.replace(parameters[index] ?? '', () => encode(value)),
        path,
      );
      const target = toTarget(`${prefix}${filled}${suffix}${search === '' ? '' : `?${search}`}`);
      return dropAbsentBody({ ...request, target });
    });
}

function toParameter(parameter: string, { job }: FuzzSite, mood: Mood): fc.Arbitrary<string> {
  const known = { '{job}': job.id, '{phase}': 'ansible-0' }[parameter];
  return known === undefined ? mood.text : mood.rarely(mood.text, fc.constant(known));
}

function fromSchema(schema: Schema, site: FuzzSite, mood: Mood, depth = 0): fc.Arbitrary<unknown> {
  const { schemas } = site.document.components;
  const within = (inner: unknown) => fromSchema(inner as Schema, site, mood, depth + 1);
  const anything = fc.jsonValue({ maxDepth: 2 });
  const reference = schema['$ref'];
  if (depth > 8) return fc.constant(null);
  if (typeof reference === 'string') {
    return within(schemas[reference.split('/').at(-1) ?? ''] ?? {});
  }
  const choices = (schema['anyOf'] ?? schema['oneOf'] ?? schema['allOf']) as unknown[] | undefined;
  if (choices !== undefined) return fc.oneof(...choices.map(within));
  const values = schema['enum'] as readonly unknown[] | undefined;
  if (values !== undefined) return mood.rarely(text, fc.constantFrom(...values));
  const type = Array.isArray(schema['type']) ? (schema['type'] as string[])[0] : schema['type'];
  switch (type) {
    case 'object':
      return mood.rarely(anything, toObject(schema, site, mood, within));
    case 'array':
      return mood.rarely(anything, fc.array(within(schema['items'] ?? {}), { maxLength: 3 }));
    case 'string':
      return mood.rarely(
        anything,
        schema['format'] === 'date-time' ? fc.constantFrom(...times) : mood.text,
      );
    case 'integer':
    case 'number':
      return mood.rarely(anything, mood.rarely(number, fc.integer({ min: 0, max: 4 })));
    case 'boolean':
      return mood.rarely(anything, fc.boolean());
    default:
      return anything;
  }
}

const number = fc.oneof(
  fc.integer({ min: -2, max: 100 }),
  fc.constantFrom(2 ** 31, 2 ** 53, -(2 ** 63), 1e308, 0.5, -0),
);

function toObject(
  { properties = {}, required = [], additionalProperties = false, example }: Schema,
  { urls }: FuzzSite,
  mood: Mood,
  within: (schema: unknown) => fc.Arbitrary<unknown>,
): fc.Arbitrary<object> {
  const members = Object.entries(properties as Schema).map(([key, inner]) => {
    if (/^clone_?url$/i.test(key))
      return [key, mood.rarely(text, fc.constantFrom(...urls))] as const;
    if (key === 'commit') return [key, mood.rarely(text, fc.constant('1'.repeat(40)))] as const;
    const value = within(inner);
    const isRequired = (required as readonly string[]).includes(key);
    return [key, isRequired ? value : fc.option(value, { freq: 1, nil: undefined })] as const;
  });
  const more =
    additionalProperties === false
      ? mood.rarely(fc.dictionary(text, fc.jsonValue(), { maxKeys: 1 }), fc.constant({}))
      : fc.dictionary(mood.text, within(additionalProperties), { maxKeys: 3 });
  const start = mood.rarely(fc.constant({}), fc.constantFrom({}, example ?? {}));
  return fc
    .tuple(start, fc.record(Object.fromEntries(members)), more)
    .map(([given, own, others]) => ({ ...given, ...dropAbsent(own), ...others }));
}

function dropAbsent(members: Schema): Schema {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

function toScalarText(schema: Schema, mood: Mood): fc.Arbitrary<string> {
  const values = Array.isArray(schema['enum']) ? schema['enum'].map(String) : ['1', '100', 'true'];
  return fc.oneof(fc.constantFrom(...values), mood.text);
}

/** A JSON body or, rarely, one that is malformed, ambiguous or too deep. */
function toBody(value: fc.Arbitrary<unknown>, mood: Mood): fc.Arbitrary<Buffer> {
  const raw = [
    ...['', '{', '[', '"', 'nul', '{"a":1,"a":2}', '{"__proto__":{"a":1}}', '\ufeff{}', '1e999'],
    ...['['.repeat(20_000), '{"a":'.repeat(5_000), `"${'x'.repeat(70_000)}"`, '{"name":"\\ud800"}'],
  ];
  return mood.rarely(
    fc.oneof(
      fc.constantFrom(...raw).map((given) => Buffer.from(given)),
      fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
    ),
    value.map((given) => Buffer.from(JSON.stringify(given))),
  );
}

/** Mostly those with which a delivery is accepted. */
function toJobHeaders(path: string, { job }: FuzzSite, mood: Mood) {
  const own = {
    'Content-Type': path.endsWith('/log') ? 'application/partial-upload' : 'application/json',
    'Content-Encoding': 'identity',
    Authorization: `Bearer ${job.token}`,
  };
  return fc
    .tuple(toHeaders(job.token, mood), mood.rarely(fc.constant({}), fc.constant(own)))
    .map(([any, right]) => ({ ...any, ...right }));
}

function toHeaders(token: string, mood: Mood): fc.Arbitrary<Readonly<Record<string, string>>> {
  const types = ['text/plain', '', 'application/partial-upload', 'multipart/form-data', 'a/b/c;;'];
  return fc
    .record(
      {
        'Content-Type': mood.rarely(
          fc.constantFrom(...types),
          fc.constantFrom('application/json', 'application/merge-patch+json; charset=utf-8'),
        ),
        Authorization: fc.constantFrom(
          `Bearer ${token}`,
          `Bearer ${'a'.repeat(43)}`,
          'Basic eDp5',
          '',
        ),
        'Content-Encoding': fc.constantFrom('gzip', 'identity', 'br', ''),
        'Upload-Offset': fc.constantFrom('0', '1', '-1', 'x', '9'.repeat(15), '9'.repeat(16)),
        Accept: fc.constantFrom('*/*', 'text/event-stream', 'text/html;q=0.1', ''),
        'Last-Event-ID': fc.constantFrom(
          ...['', '0', 'x', '-1', '9'.repeat(30), '0123abcd/end', '0123abcd/ansible-0/2'],
          ...[`0123abcd/ansible-0/${'9'.repeat(15)}`, `0123abcd/x.a~${'9'.repeat(16)}.b`],
          `0123abcd/${'.'.repeat(10_000)}`,
        ),
        Range: fc.constantFrom('bytes=0-1', 'x'),
        'X-Long': fc.constant('x'.repeat(20_000)),
      },
      { requiredKeys: ['Content-Type'] },
    )
    .map((headers) => ({ ...headers }));
}

/** Generates the first one time in eight, else the second. */
function rarely<T, U>(first: fc.Arbitrary<T>, second: fc.Arbitrary<U>): fc.Arbitrary<T | U> {
  return fc.oneof({ weight: 1, arbitrary: first }, { weight: 7, arbitrary: second });
}

/** Leaves some values unencoded. */
function encode(value: string): string {
  return value.length % 3 === 0 ? value : encodeURIComponent(value.toWellFormed());
}

/** Percent-encodes characters that a request line cannot contain. */
function toTarget(path: string): string {
  return path
    .toWellFormed()
    .replace(/[^\x21-\x7e]/gu, (character) => encodeURIComponent(character))
    .slice(0, 60_000);
}
