import { describe, expect, test } from '@jest/globals';
import { readState } from './site.js';
import type { ContractSite } from './site.js';

const BAD = 'Bad Request';
const session = { name: 'a', configuration_name: 'debug_noop' };
const layer = { clone_url: 'https://git.example.com/a.git', playbook: 'site.yml' };
const group = { name: 'g', members: ['x1'] };
const image = '5c1a4a0e-4a6b-4c8e-9d5e-2f6f1f3f8f0a';
const images = { name: 'i', members: [image] };
const tooMany = {
  name: 'i',
  members: Array.from({ length: 101 }, (_, index) => index.toString(16).padStart(32, '0')),
};
const named = (name: string) => ({
  definition: 'image',
  groups: [images],
  image_map: [{ source_id: image, result_name: name }],
});

/** Method, path, body, title, part of the detail. */
type Row = readonly [string, string, unknown, string, string];

const sessionRows = (
  [
    [{ configuration_name: 'debug_noop' }, 'name'],
    [{ name: 'a' }, 'configuration_name'],
    [{ ...session, name: '' }, 'name'],
    [{ ...session, name: 'a\n' }, 'name'],
    [{ ...session, name: 'A' }, 'name'],
    [{ ...session, name: '-a' }, 'name'],
    [{ ...session, name: 'a..b' }, 'name'],
    [{ ...session, name: 'a'.repeat(46) }, 'name'],
    [{ ...session, name: 7 }, 'name'],
    [{ ...session, name: null }, 'name'],
    [{ ...session, configuration_name: '' }, 'configuration_name'],
    [{ ...session, configuration_name: 'c'.repeat(61) }, 'configuration_name'],
    [{ ...session, configuration_limit: null }, 'configuration_limit'],
    [{ ...session, ansible_limit: 'a b' }, 'ansible_limit'],
    [{ ...session, ansible_limit: 'a;b' }, 'ansible_limit'],
    [{ ...session, ansible_limit: 'a\n' }, 'ansible_limit'],
    [{ ...session, ansible_config: '../../etc/passwd' }, 'ansible_config'],
    [{ ...session, ansible_config: '..' }, 'ansible_config'],
    [{ ...session, ansible_verbosity: 5 }, 'ansible_verbosity'],
    [{ ...session, ansible_verbosity: true }, 'ansible_verbosity'],
    [{ ...session, ansible_verbosity: 1.5 }, 'ansible_verbosity'],
    [{ ...session, ansible_passthrough: '--check' }, 'ansible_passthrough'],
    [{ ...session, tags: { a: 1 } }, 'tags.a'],
    [{ ...session, tags: [] }, 'tags'],
    [{ ...session, tags: { a: 'x\0y' } }, 'tags.a'],
    [{ ...session, tags: { a: '\ud800' } }, 'tags.a'],
    [{ ...session, target: { image_map: {} } }, 'target.image_map'],
    [{ ...session, target: { image_map: [null] } }, 'target.image_map.0'],
    [{ ...session, debug_on_failure: 'true' }, 'debug_on_failure'],
    [{ ...session, status: {} }, 'status'],
    [{ ...session, unknown: 1 }, 'unknown'],
    [{ ...session, target: null }, 'target'],
    [{ ...session, target: { definition: 'other' } }, 'target.definition'],
    [{ ...session, target: { groups: [{ name: 'g' }] } }, 'target.groups.0.members'],
    [{ ...session, target: { groups: [group] } }, 'target.groups'],
    [{ ...session, target: { definition: 'repo', groups: [group] } }, 'target.groups'],
    [{ ...session, target: { definition: 'spec' } }, 'target.groups'],
    [{ ...session, target: { definition: 'spec', groups: [] } }, 'target.groups'],
    [
      { ...session, target: { definition: 'spec', groups: [{ name: 'g', members: [] }] } },
      'target.groups.0.members',
    ],
    [
      { ...session, target: { definition: 'spec', groups: [group, { name: 'h', members: [''] }] } },
      'target.groups.1.members.0',
    ],
    [{ ...session, target: { definition: 'image' } }, 'target.groups'],
    [{ ...session, target: { definition: 'image', groups: [group, images] } }, '(g, x1)'],
    [{ ...session, target: { definition: 'image', groups: [tooMany] } }, 'at most 100 images'],
    [{ ...session, target: named('') }, 'target.image_map.0.result_name'],
    [{ ...session, target: named('a/b') }, 'target.image_map.0.result_name'],
    [{ ...session, target: named('a\n') }, 'target.image_map.0.result_name'],
    [{ ...session, target: named('é'.repeat(126)) }, 'has at most 250 bytes'],
    [{ ...session, target: { image_map: [{ source_id: 'a' }] } }, 'target.image_map.0.result_name'],
    [[], 'expected object'],
    ['{"name": ', 'JSON'],
    ['', 'JSON'],
  ] as const
).map(([body, member]): Row => ['POST', '/v3/sessions', body, BAD, member]);

const configurationRows = (
  [
    [{}, BAD, 'layers'],
    [{ layers: null }, BAD, 'layers'],
    [{ layers: [], name: 'c' }, BAD, 'read-only'],
    [{ layers: [], last_updated: '2026-01-01T00:00:00Z' }, BAD, 'last_updated'],
    [{ layers: [], additional_inventory: null }, BAD, 'additional_inventory'],
    [{ layers: [{ clone_url: layer.clone_url }] }, BAD, 'layers.0.playbook'],
    [{ layers: [{ ...layer, commit: '12' }] }, BAD, 'layers.0.commit'],
    [{ layers: [{ ...layer, commit: `${'1'.repeat(40)}\n` }] }, BAD, 'layers.0.commit'],
    [{ layers: [{ ...layer, commit: null }] }, BAD, 'layers.0.commit'],
    [{ layers: [layer, { ...layer, playbook: 'a b' }] }, BAD, 'layers.1.playbook'],
    [{ layers: [{ ...layer, clone_url: 'https://a/ b' }] }, BAD, 'layers.0.clone_url'],
    [{ layers: [{ ...layer, name: '' }] }, BAD, 'layers.0.name'],
    [{ layers: [{ ...layer, name: 'n'.repeat(46) }] }, BAD, 'layers.0.name'],
    [{ layers: [{ ...layer, extra: 1 }] }, BAD, 'layers.0.extra'],
    [
      { layers: [{ ...layer, special_parameters: { x: true } }] },
      BAD,
      'layers.0.special_parameters.x',
    ],
    [{ layers: [{ ...layer, clone_url: '--upload-pack=x' }] }, BAD, 'layers.0.clone_url'],
    [{ layers: [{ ...layer, clone_url: 'ext::sh' }] }, BAD, 'layers.0.clone_url'],
    [{ layers: [{ ...layer, clone_url: 'http://a/b.git' }] }, BAD, 'layers.0.clone_url'],
    [{ layers: [{ ...layer, clone_url: 'https://u:p@a/b.git' }] }, BAD, 'layers.0.clone_url'],
    [{ layers: [{ ...layer, branch: '-x' }] }, BAD, 'layers.0.branch'],
    [
      { layers: [], additional_inventory: { clone_url: '-x' } },
      BAD,
      'additional_inventory.clone_url',
    ],
    [{ layers: [{ ...layer, source: 's' }] }, 'Error handling source', 'layers.0'],
    [{ layers: [{ playbook: 'a' }] }, 'Error handling source', 'layers.0'],
    [
      { layers: [], additional_inventory: { name: 'x' } },
      'Error handling source',
      'additional_inventory',
    ],
    [
      { layers: [{ ...layer, branch: 'a', commit: '1'.repeat(40) }] },
      'Error handling branches',
      'layers.0',
    ],
    [{ layers: [{ source: 's', playbook: 'a' }] }, 'Source does not exist', 'The source s does'],
  ] as const
).map(([body, title, member]): Row => ['PUT', '/v3/configurations/c', body, title, member]);

const optionRows = (
  [
    [{ default_playbook: 'a.yml' }, 'default_playbook'],
    [{ logging_level: 'info' }, 'logging_level'],
    [{ default_page_size: 0 }, 'default_page_size'],
    [{ default_page_size: null }, 'default_page_size'],
    [{ session_ttl: '7x' }, 'session_ttl'],
    [{ session_ttl: '7d\n' }, 'session_ttl'],
    [{ additional_inventory_url: 'a b' }, 'additional_inventory_url'],
    [{ additional_inventory_url: '-x' }, 'additional_inventory_url'],
    [{ additional_inventory_url: 'https://u:p@a/b' }, 'additional_inventory_url'],
    [{ batcher_disable: 'no' }, 'batcher_disable'],
    [{ debug_wait_time: -1 }, 'debug_wait_time'],
    [{ other: 1 }, 'other'],
  ] as const
).map(([body, member]): Row => ['PATCH', '/v3/options', body, BAD, member]);

const known = { ...layer, commit: 'a1', session_name: 's', status: 'applied' };
const componentRows = (
  [
    [{ state: null }, 'state'],
    [{ state: [{ ...known, status: 'incomplete' }] }, 'state.0.status'],
    [{ state: [known, { ...known, last_updated: 'x' }] }, 'state.1.last_updated'],
    [{ state: [layer] }, 'state.0.commit'],
    [{ state_append: layer }, 'state_append.commit'],
    [{ state_append: { ...layer, commit: 'a_b_failed' } }, 'state_append.commit'],
    [{ state_append: { ...layer, commit: 'a1_done' } }, 'state_append.commit'],
    [{ state_append: { ...known, clone_url: null } }, 'state_append.clone_url'],
    [{ desired_config: 'c'.repeat(61) }, 'desired_config'],
    [{ desired_config: null }, 'desired_config'],
    [{ desired_state: [] }, 'desired_state'],
    [{ error_count: '1' }, 'error_count'],
    [{ error_count: 1.5 }, 'error_count'],
    [{ retry_policy: 2 ** 53 }, 'retry_policy'],
    [{ enabled: 'true' }, 'enabled'],
    [{ configuration_status: 'pending' }, 'configuration_status'],
    [{ tags: { a: 1 } }, 'tags.a'],
    [{ logs: 'x' }, 'logs'],
    [{ id: '' }, 'id'],
    [{ unknown: 1 }, 'unknown'],
    [[], 'expected object'],
  ] as const
).flatMap(([body, member]): readonly Row[] => [
  ['PUT', '/v3/components/x1', body, BAD, member],
  ['PATCH', '/v3/components/x1', body, BAD, member],
  ...(Array.isArray(body)
    ? []
    : ([
        [
          'PATCH',
          '/v3/components',
          [{ id: 'x1' }, Object.assign({ id: 'x2' }, body)],
          BAD,
          `1.${member}`,
        ],
        ['PATCH', '/v3/components', { patch: body, filters: {} }, BAD, `patch.${member}`],
      ] as const)),
]);

const otherComponentRows: readonly Row[] = [
  ['PATCH', '/v3/components', { patch: {} }, BAD, 'filters'],
  ['PATCH', '/v3/components', { patch: {}, filters: { status: 'x' } }, BAD, 'filters.status'],
  ['PATCH', '/v3/components', { patch: {}, filters: { enabled: 'true' } }, BAD, 'filters.enabled'],
  ['PATCH', '/v2/components', { patch: {}, filters: { status: '' } }, BAD, 'filters.status'],
  [
    ...(['PATCH', '/v3/components', { patch: {}, filters: { tags: 'a' } }] as const),
    ...(['Error parsing the tags provided.', 'tags'] as const),
  ],
  ['PATCH', '/v3/components', [{ enabled: true }], 'Error parsing the data provided.', '0.id'],
  ['PUT', '/v3/components', [{}], 'Error parsing the data provided.', '0.id'],
  ['PUT', '/v2/components', [{}], 'Error parsing the data provided.', '0.id'],
  ['PUT', '/v2/components/x1', { state: [{ commit: 'a1_incomplete' }] }, BAD, 'state.0'],
  ['PUT', '/v2/components/x1', { desired_config: 'a' }, BAD, 'desired_config'],
  ['PATCH', '/v2/components/x1', { stateAppend: { status: 'failed' } }, BAD, 'stateAppend'],
  ['PUT', `/v3/components/${'x'.repeat(256)}`, {}, BAD, 'component_id'],
];

const queryRows = (
  [
    ['/v3/sessions?limit=0', BAD, 'limit'],
    ['/v3/sessions?limit=', BAD, 'limit'],
    ['/v3/sessions?limit=a', BAD, 'limit'],
    ['/v3/sessions?status=done', BAD, 'status'],
    ['/v3/sessions?succeeded=yes', BAD, 'succeeded'],
    ['/v3/sessions?min_age=7', BAD, 'min_age'],
    ['/v3/sessions?max_age=999999999w', BAD, 'max_age'],
    ['/v3/sessions?tags=a', 'Error parsing the tags provided.', 'tags'],
    ['/v3/sessions?tags=a=1=2', 'Error parsing the tags provided.', 'tags'],
    ['/v3/sessions?tags=a=1,a=2', 'Error parsing the tags provided.', 'tags'],
    ['/v3/components?status=pending,failed', BAD, 'status'],
    ['/v3/components?status=config_deprecated', BAD, 'status'],
    ['/v2/components?status=', BAD, 'status'],
    ['/v3/components?enabled=', BAD, 'enabled'],
    ['/v3/components?state_details=1', BAD, 'state_details'],
    ['/v3/components?limit=0', BAD, 'limit'],
    ['/v3/components?tags=a', 'Error parsing the tags provided.', 'tags'],
    ['/v3/configurations?in_use=', BAD, 'in_use'],
    ['/v3/configurations?in_use=null', BAD, 'in_use'],
    [`/v3/configurations/${'c'.repeat(61)}`, BAD, 'configuration_id'],
  ] as const
).map(([path, title, member]): Row => ['GET', path, undefined, title, member]);

const otherRows: readonly Row[] = [
  ['PUT', '/v3/configurations/c?drop_branches=1', { layers: [] }, BAD, 'drop_branches'],
  ['DELETE', '/v3/sessions?tags=a', undefined, 'Error parsing the tags provided.', 'tags'],
  ['POST', '/v3/sessions/a/cancel', { reason: 7 }, BAD, 'reason'],
  ['POST', '/v3/sessions/a/cancel', { why: 'x' }, BAD, 'why'],
  [
    'POST',
    '/v3/sessions',
    { ...session, configuration_name: 'nowhere' },
    'Invalid configuration',
    'configuration_name',
  ],
  [
    'POST',
    '/v3/sessions',
    { ...session, configuration_name: 'debug_other' },
    'Invalid configuration',
    'configuration_name',
  ],
];

export function badRowsContract(site: () => ContractSite): void {
  describe('each rule', () => {
    test.each([
      ...[...sessionRows, ...configurationRows, ...optionRows, ...componentRows],
      ...[...otherComponentRows, ...queryRows, ...otherRows],
    ])(
      '%s %s %j is 400 %s with a detail that names %s',
      async (method, path, body, title, member) => {
        const before = await readState(site());
        const answer = await site().ask(method, path, body);
        expect(answer).toMatchObject({
          status: 400,
          body: {
            type: 'about:blank',
            title,
            status: 400,
            detail: expect.stringContaining(member),
          },
        });
        expect(await readState(site())).toEqual(before);
      },
    );

    test.each([
      ['branch', 'nowhere', 'layers.0.branch'],
      ['clone_url', 'file:///nowhere/at/all.git', 'layers.0.branch'],
    ])('a layer whose %s is %s cannot be resolved: 400', async (member, value, path) => {
      const { repository, ask, store } = site();
      const given = { clone_url: repository.url, branch: 'main', playbook: 'a.yml' };
      const layers = [{ ...given, [member]: value }];
      const answer = await ask('PUT', '/v3/configurations/c', { layers });
      expect(answer).toMatchObject({
        status: 400,
        body: {
          title: 'Error converting branch name to commit',
          detail: expect.stringContaining(path),
        },
      });
      expect(await store.configurations.find('c')).toBeUndefined();
    });
  });
}
