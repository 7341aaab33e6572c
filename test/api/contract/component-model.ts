import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { World, type Body, type Component, type Filters, type Layer } from './component-world.js';
import type { ContractSite } from './site.js';

type Version = 'v2' | 'v3';

type Step =
  | { readonly act: 'PUT' | 'PATCH'; readonly id: string; readonly body: Body }
  | { readonly act: 'PUTS' | 'PATCHES'; readonly list: readonly (readonly [string, Body])[] }
  | { readonly act: 'PATCH ALL'; readonly filters: Filters; readonly body: Body }
  | { readonly act: 'LIST'; readonly filters: Filters }
  | { readonly act: 'DELETE'; readonly id: string }
  | { readonly act: 'CONFIGURE'; readonly name: string; readonly commit: string }
  | { readonly act: 'OPTIONS'; readonly retries: number; readonly playbook: string };

/** Absent more often than not, so that each member also comes alone. */
const optional = <T>(value: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
/** Without the members that are undefined. */
function clean<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

/** Only a few values, so that states, filters and configurations often coincide. */
const id = fc.constantFrom('x1', 'x2', 'x3');
const name = fc.constantFrom('layers', 'later', 'gone', '');
const commit = fc.constantFrom('1'.repeat(40), '2'.repeat(40));
const place = {
  clone_url: fc.constantFrom('https://git.example.com/a.git', 'https://git.example.com/b.git'),
  playbook: fc.constantFrom('site.yml', 'b.yml'),
};
const status = fc.constantFrom('applied', 'failed', 'skipped');
const suffix = fc.constantFrom('', '_applied', '_failed', '_skipped', '_incomplete');
const layer = fc.record({ ...place, commit, session_name: fc.constantFrom('s', 't'), status });
const report = fc.record({
  ...{ ...place, session_name: optional(fc.constant('u')), status: optional(status) },
  commit: fc.tuple(commit, suffix).map((parts) => parts.join('')),
});
const body = fc.record({
  state: optional(fc.array(layer, { maxLength: 3 })),
  state_append: optional(report),
  desired_config: optional(name),
  error_count: optional(fc.nat({ max: 4 })),
  retry_policy: optional(fc.integer({ min: -1, max: 3 })),
  enabled: optional(fc.boolean()),
  tags: optional(fc.dictionary(fc.constantFrom('a', 'b'), fc.constantFrom('', '1', '2'))),
}) as fc.Arbitrary<Body>;
const filters = fc.record({
  ids: optional(fc.constantFrom('x1,x9', 'x3,x1', '')),
  status: optional(fc.constantFrom('unconfigured', 'failed', 'pending', 'configured')),
  enabled: optional(fc.boolean()),
  config_name: optional(name),
  tags: optional(fc.constantFrom('', 'a=1', 'b=2', 'b=1,a=1', 'a=')),
}) as fc.Arbitrary<Filters>;
const list = fc.array(fc.tuple(id, body), { maxLength: 4 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ act: fc.constantFrom('PUT', 'PATCH', 'PATCH'), id, body }),
  fc.record({ act: fc.constantFrom('PUTS', 'PATCHES'), list }),
  fc.record({ act: fc.constant('PATCH ALL'), filters, body }),
  fc.record({ act: fc.constant('PATCH ALL'), filters, body }),
  fc.record({ act: fc.constant('LIST'), filters }),
  fc.record({ act: fc.constant('DELETE'), id }),
  fc.record({ act: fc.constant('CONFIGURE'), name: fc.constantFrom('layers', 'later'), commit }),
  fc.record({ act: fc.constant('OPTIONS'), retries: fc.nat({ max: 3 }), playbook: place.playbook }),
);
const steps = fc.array(fc.tuple(fc.constantFrom<Version>('v2', 'v3'), step), {
  minLength: 8,
  maxLength: 24,
});

const camel = (text: string) => text.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

function renamed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(renamed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      camel(key),
      key === 'tags' ? member : renamed(member),
    ]),
  );
}

/** A layer of v2 has its status at the end of the commit, unless it is applied. */
function toV2({ status: given, ...rest }: Layer): Layer {
  return given === undefined || given === 'applied'
    ? rest
    : { ...rest, commit: `${rest.commit}_${given}` };
}

function toBody(version: Version, given: Body): object {
  if (version === 'v3') return given;
  const { state, ...rest } = toKnown(version, given);
  return renamed({ ...rest, ...(state && { state: state.map(toV2) }) }) as object;
}

function toAnswer(
  version: Version,
  shown: Component & { readonly desired_state?: readonly object[] },
): unknown {
  if (version === 'v3') return shown;
  const { state, desired_state: desired } = shown;
  const bare = desired?.map((each) => ({ ...each, status: undefined }));
  return clean(renamed({ ...shown, state: state.map(toV2), desired_state: bare }));
}

async function play(site: ContractSite, all: readonly (readonly [Version, Step])[]): Promise<void> {
  const world = new World();
  await begin(site);
  const known = ['x1', 'x2', 'x3'].map((key): [Version, Step] => [
    'v3',
    { act: 'PUT', id: key, body: { error_count: 2 } },
  ]);
  const lists = (['v2', 'v3'] as const).map((version): [Version, Step] => [
    version,
    { act: 'LIST', filters: {} },
  ]);
  for (const [index, [version, step]] of [...known, ...all, ...lists].entries()) {
    world.at = `2026-01-01T00:00:${String(index).padStart(2, '0')}Z`;
    site.setTime(world.at);
    const [got, wanted] = await take(site.ask, world, version, clean(step));
    expect(got).toEqual(wanted);
  }
}

type Ask = ContractSite['ask'];

async function begin({ ask, store }: ContractSite): Promise<void> {
  for (const { component } of (await store.components.list({}, { limit: 1_000 })).items)
    await store.components.remove(component.id);
  for (const key of ['layers', 'later']) await ask('DELETE', `/v3/configurations/${key}`);
  await ask('PATCH', '/v2/options', { defaultBatcherRetryPolicy: 3, defaultPlaybook: 'site.yml' });
}

/** What a request got, and what it should have got. */
type Answers = readonly [unknown, unknown];

async function take(ask: Ask, world: World, version: Version, step: Step): Promise<Answers> {
  const root = `/${version}/components`;
  const request = async (...asked: Parameters<Ask>) => {
    const { status: code, body: back } = await ask(...asked);
    return code === 200 ? [code, back] : [code];
  };
  const lacks = (key: string) => !world.components.has(key);
  const change = (method: string, key: string, given: Body) =>
    method === 'PUT'
      ? world.put(key, toKnown(version, given))
      : world.patch(key, toKnown(version, given));
  switch (step.act) {
    case 'PUT':
    case 'PATCH': {
      const { act, id: key, body: given } = step;
      const got = await request(act, `${root}/${key}`, toBody(version, given));
      if (act === 'PATCH' && lacks(key)) return [got, [404]];
      return [got, [200, toAnswer(version, change(act, key, given))]];
    }
    case 'PUTS':
    case 'PATCHES': {
      const method = step.act === 'PUTS' ? 'PUT' : 'PATCH';
      const sent = step.list.map(([key, given]) => ({ id: key, ...toBody(version, given) }));
      const got = await request(method, root, sent);
      if (method === 'PATCH' && step.list.some(([key]) => lacks(key))) return [got, [404]];
      const after = step.list.map(([key, given]) => change(method, key, given));
      return [got, [200, toAnswers(version, after)]];
    }
    case 'PATCH ALL': {
      const sent = { patch: toBody(version, step.body), filters: toFilters(version, step.filters) };
      const got = await request('PATCH', root, sent);
      const ids = world.matching(step.filters).map((each) => each.id);
      return [
        got,
        [
          200,
          toAnswers(
            version,
            ids.map((key) => change('PATCH', key, step.body)),
          ),
        ],
      ];
    }
    case 'LIST': {
      const details =
        version === 'v3' ? { state_details: true, config_details: true } : { configDetails: true };
      const query = Object.entries({ ...toFilters(version, step.filters), ...details });
      const text = new URLSearchParams(
        query.map(([key, value]): [string, string] => [key, String(value)]),
      );
      const got = await request('GET', `${root}?${text.toString()}`);
      const shown = world.matching(step.filters).map((each) => toAnswer(version, world.view(each)));
      return [got, [200, version === 'v3' ? { components: shown, next: null } : shown]];
    }
    case 'DELETE': {
      const got = await request('DELETE', `${root}/${step.id}`);
      return [got, [world.components.delete(step.id) ? 204 : 404]];
    }
    case 'CONFIGURE': {
      const layers = world.configure(step.name, step.commit);
      const [code] = await request('PUT', `/v2/configurations/${step.name}`, renamed({ layers }));
      return [code, 200];
    }
    case 'OPTIONS': {
      const { retries, playbook } = (world.options = step);
      const sent = { defaultBatcherRetryPolicy: retries, defaultPlaybook: playbook };
      const [code] = await request('PATCH', '/v2/options', sent);
      return [code, 200];
    }
  }
}

/** What a version can say: in v2 the status of a report is at the end of its commit only. */
function toKnown(version: Version, given: Body): Body {
  const { state_append: appended } = given;
  if (version === 'v3' || appended === undefined) return given;
  return { ...given, state_append: clean({ ...appended, status: undefined }) as unknown as Layer };
}

function toAnswers(version: Version, components: readonly Component[]): unknown {
  if (version === 'v3') return { component_ids: components.map((each) => each.id) };
  return components.map((each) => toAnswer(version, each));
}

function toFilters(version: Version, given: Filters): object {
  return version === 'v3' ? given : (renamed(given) as object);
}

/** Needs a site of its own, because it counts all records. */
export function componentModelContract(site: () => ContractSite): void {
  test('components are what the tables say, whatever is asked of them', async () => {
    await fc.assert(
      fc.asyncProperty(steps, (all) => play(site(), all)),
      { numRuns: 12 },
    );
  }, 120_000);
}
