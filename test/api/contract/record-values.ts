import fc from 'fast-check';

type Choice<T> = readonly [weight: number, arbitrary: fc.Arbitrary<T>];
export const weighted = <T>(...choices: readonly Choice<T>[]) =>
  fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));
/** Absent more often than not. */
export const optional = <T>(value: fc.Arbitrary<T>) =>
  weighted([2, fc.constant(undefined)], [1, value]);

export const TENANTS = ['red', 'Red'];
/** Texts that a collation, normalization, pattern or path might take for another. */
const NAMES = [
  'a',
  'A',
  'a%',
  'a_',
  '_',
  'ab',
  'é',
  'e\u0301',
  'ﬀ',
  '\uffee',
  '😀',
  'a b',
  'a/b',
  "a'",
  'a\\',
  'ß',
  'SS',
  'İ',
  'i',
  'a\nb',
  ' a',
  'a ',
  '0',
  '00',
  '1e0',
  'null',
  'a%2Fb',
];

const few = fc.constantFrom('a', 'a', 'A', 'é', 'e\u0301', '😀', '\uffee');
export const name = weighted(
  [4, few],
  [1, fc.constantFrom(...NAMES, 'x'.repeat(60), '😀'.repeat(60))],
);
const url = fc.constantFrom(
  'https://git.example.com/a.git',
  'https://git.example.com/b.git',
  'https://other.example.com/a.git',
);
/** Stands for the URL of the test's repository. */
export const REPOSITORY = 'file:///repository';
const commit = fc.constantFrom('1'.repeat(40), '2'.repeat(40));
const playbook = fc.constantFrom('site.yml', 'Site.yml', '');
export const sourceName = fc.constantFrom(
  'a',
  'A',
  'é',
  'e\u0301',
  'https://git.example.com/a.git',
  REPOSITORY,
  'a%2Fb',
);

const at = weighted([3, fc.record({ commit })], [1, fc.constant({})]);
const reference = weighted(
  [5, fc.tuple(fc.record({ clone_url: url }), at).map(merge)],
  [5, fc.tuple(fc.record({ source: sourceName }), at).map(merge)],
  [
    2,
    fc.constantFrom(
      { clone_url: REPOSITORY, branch: 'main' },
      { source: REPOSITORY, branch: 'main' },
      { clone_url: REPOSITORY, branch: 'gone' },
    ),
  ],
  [
    1,
    fc.record({
      clone_url: url,
      source: optional(fc.constantFrom('', 'a')),
      branch: fc.constant('main'),
      commit,
    }),
  ],
  [1, fc.record({ source: sourceName, clone_url: fc.constant(''), commit })],
);
function merge(parts: readonly object[]): object {
  return Object.assign({}, ...parts) as object;
}
const layer = fc
  .tuple(
    reference,
    fc.record({
      playbook,
      name: optional(fc.constantFrom('a', 'é', 'x'.repeat(45))),
      special_parameters: optional(fc.record({ ims_require_dkms: fc.boolean() })),
    }),
  )
  .map(merge);
export const configuration = fc.record({
  description: optional(fc.constantFrom('', 'a', 'e\u0301', 'a\nb')),
  tenant_name: optional(fc.constantFrom('red', 'Red', '')),
  layers: fc.array(layer, { maxLength: 2 }),
  additional_inventory: optional(fc.oneof(reference, fc.constant({}))),
});
export const tenant = weighted(
  [8, fc.constant(undefined)],
  [3, fc.constantFrom(...TENANTS)],
  [1, fc.constantFrom('none', '')],
);
export function pageAfter(id: fc.Arbitrary<string>) {
  return fc.record({
    limit: optional(fc.integer({ min: 1, max: 3 })),
    after_id: optional(id),
  });
}

export const credentials = fc.constant({ username: 'u', password: 'p' });
const caCert = fc.constantFrom(
  null,
  { configmap_name: 'ca' },
  { configmap_name: 'ca', configmap_namespace: '' },
);
export const described = {
  description: optional(fc.constantFrom('', 'a')),
  ca_cert: optional(caCert),
};
export const sourceUrl = weighted([3, url], [1, fc.constant(REPOSITORY)]);

export const sessionName = fc.constantFrom(
  'a',
  'a-b',
  'a.b',
  'ab',
  'b',
  '0',
  'a--b',
  'x'.repeat(45),
);
const tagText = fc.constantFrom(
  '',
  'a',
  'A',
  'é',
  'e\u0301',
  '😀',
  'a%',
  'a_b',
  '"',
  'a\nb',
  ':',
  'x'.repeat(200),
  'constructor',
  'a":"b',
);
const tags = fc.dictionary(tagText, tagText, { maxKeys: 3 });
const tagFilter = fc
  .array(fc.tuple(tagText, tagText), { minLength: 1, maxLength: 2 })
  .filter((pairs) => new Set(pairs.map(([key]) => key)).size === pairs.length)
  .map((pairs) => pairs.map((pair) => pair.join('=')).join(','));
const group = fc.record({
  name: fc.constantFrom('g', ''),
  members: fc.array(fc.constantFrom('x1', '0f3e1ad2-1d0a-4b7c-9c5e-5f2a5a5f6b7c'), {
    maxLength: 2,
  }),
});
export const session = fc.record({
  name: sessionName,
  configuration_name: weighted([4, few], [1, fc.constant('debug_noop')]),
  configuration_limit: optional(fc.constantFrom('', '0')),
  ansible_limit: optional(fc.constantFrom('', 'x1')),
  ansible_config: optional(fc.constantFrom('', 'own')),
  ansible_verbosity: optional(fc.constantFrom(0, 4)),
  ansible_passthrough: optional(fc.constantFrom('', '-e a=b')),
  target: optional(
    fc.record({
      definition: optional(fc.constantFrom('dynamic', 'spec', 'image', 'repo')),
      groups: optional(fc.array(group, { maxLength: 2 })),
      image_map: optional(fc.constantFrom([], [{ source_id: 'a', result_name: 'b' }])),
    }),
  ),
  tags: optional(tags),
  debug_on_failure: optional(fc.boolean()),
});
const time = fc.constantFrom(
  '2025-12-31T23:00:00',
  '2025-12-31T00:00:00',
  '2026-01-01T00:00:00',
  '',
);
export const patch = fc.record({
  artifacts: optional(
    fc.array(
      fc.dictionary(
        fc.constantFrom('image_id', 'result_id', 'type', 'own'),
        fc.constantFrom('1', '2'),
        { maxKeys: 3 },
      ),
      { maxLength: 3 },
    ),
  ),
  session: optional(
    fc.record({
      status: optional(fc.constantFrom('pending', 'running', 'complete', 'odd', '')),
      succeeded: optional(fc.constantFrom('none', 'unknown', 'false', 'true', 'odd', '')),
      job: optional(fc.constantFrom('j', 'k', '')),
      ims_job: optional(fc.constantFrom('j', 'k', '')),
      start_time: optional(time),
      completion_time: optional(time),
      own: optional(fc.constantFrom('x', 0, 1, false, [], [1], {}, { a: [] })),
    }),
  ),
});
export const sessionFilters = fc.record({
  status: optional(fc.constantFrom('pending', 'running', 'complete')),
  succeeded: optional(fc.constantFrom('none', 'unknown', 'false', 'true')),
  name_contains: optional(
    fc.constantFrom('a', 'A', '.', '-', '_', '%', 'a-b', 'xxx', 'b', '😀', '*', '\\', '"'),
  ),
  tags: optional(tagFilter),
  min_age: optional(fc.constantFrom('', '1m', '1H', '1d', '0m')),
  max_age: optional(fc.constantFrom('', '1m', '1H', '1d', '0m')),
});

export const componentId = fc.constantFrom(
  'x1',
  'X1',
  'x10',
  'é',
  'e\u0301',
  '😀',
  '\uffee',
  'a%',
  'a b',
);
const report = fc.record({ clone_url: url, playbook, commit });
export const component = fc.record({
  desired_config: optional(fc.oneof(few, fc.constant(''))),
  state: optional(fc.constant([])),
  state_append: optional(report),
  error_count: optional(fc.nat({ max: 4 })),
  enabled: optional(fc.boolean()),
  tags: optional(tags),
});
export const componentFilters = fc.record({
  ids: optional(fc.constantFrom('x1', 'X1,é', 'e\u0301,😀,\uffee', 'x1,x1', ',')),
  status: optional(fc.constantFrom('unconfigured', 'failed', 'pending', 'configured')),
  enabled: optional(fc.boolean()),
  config_name: optional(few),
  tags: optional(tagFilter),
});
