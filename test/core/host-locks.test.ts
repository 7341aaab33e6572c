import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { parseConfig } from '../../src/config.js';
import { listLockedHosts } from '../../src/core/host-locks.js';
import { renderDynamicInventory, renderSpecInventory } from '../../src/core/inventory.js';
import type { SessionRequest, TargetDefinition } from '../../src/core/session.js';
import { aRequest } from '../support/session-builders.js';

const HOSTS = ['x1', 'x2', 'x3', 'y.1', 'y.2'];
const inventory = renderDynamicInventory({
  groups: [
    { label: 'blue', members: ['x1', 'x2'] },
    { label: 'green', members: ['x2', 'x3', 'y.1'] },
    // A group and a host with the same name.
    { label: 'x3', members: ['y.2'] },
  ],
  partitions: [],
  components: [{ id: 'x1', role: 'Compute', subRole: 'Worker' }],
});

const additionalInventory = { url: 'https://git/hosts.git', commit: 'f'.repeat(40) };
const withMore = { snapshot: { additionalInventory } as never };

const lock = (
  request: Partial<SessionRequest>,
  definition: TargetDefinition = 'dynamic',
  more: { readonly snapshot?: never } = {},
) =>
  listLockedHosts(
    { request: aRequest({ target: { definition }, ...request }), ...more },
    definition === 'repo' ? undefined : inventory,
  ).toSorted();

describe('listLockedHosts', () => {
  test.each([
    ['', HOSTS],
    ['all', HOSTS],
    ['x1', ['x1']],
    ['x1,x2', ['x1', 'x2']],
    ['x1:x2', ['x1', 'x2']],
    ['blue', ['x1', 'x2']],
    ['Compute_Worker', ['x1']],
    ['all:!green', ['x1', 'y.2']],
    ['!x1', ['x2', 'x3', 'y.1', 'y.2']],
    ['blue,!x2', ['x1']],
    ['y.*', ['y.1', 'y.2']],
    ['gr?en', ['x2', 'x3', 'y.1']],
    ['*:!y*', ['x1', 'x2', 'x3']],
    ['somewhere', ['somewhere']],
    ['x1,z*', ['x1', 'z*']],
    [' x1 , x2 ', ['x1', 'x2']],
    ['x-1,x-*,y.1', ['x-*', 'x-1', 'y.1']],
    ['a*', HOSTS],
    ['blue,x*,!y-*', ['x1', 'x2', 'x3', 'y.2']],
  ])('has the hosts of the limit %j', (ansibleLimit, hosts) => {
    expect(lock({ ansibleLimit })).toEqual(hosts);
  });

  test.each([
    ['a part of a group', { ansibleLimit: 'blue[0]' }],
    ['a regular expression', { ansibleLimit: '~x[12]' }],
    ['an address with colons', { ansibleLimit: 'fe80::1' }],
    ['what another group narrows', { ansibleLimit: '&blue' }],
    ['a colon beside a comma, at which Ansible does not split', { ansibleLimit: 'blue,y.1:!x1' }],
    ['a space where there is no comma, at which it does', { ansibleLimit: 'x1:!x2 x3' }],
  ])('has every host for %s', (_, request) => {
    expect(lock(request)).toEqual(HOSTS);
  });

  test.each(['blue,somewhere', 'x1,z*'])(
    'has every host for the limit %j, where an additional inventory may know it',
    (ansibleLimit) => {
      expect(lock({ ansibleLimit }, 'dynamic', withMore)).toEqual(HOSTS);
    },
  );

  test('has the hosts of a batch alone, whether or not the inventory has hosts or groups of such names', () => {
    const batch = { ansibleLimit: 'x1,x3,blue,somewhere', limitNamesHosts: true } as const;
    expect(lock(batch, 'dynamic', withMore)).toEqual(['blue', 'somewhere', 'x1', 'x3']);
  });

  test('has the hosts of the request', () => {
    const groups = [{ name: 'lab', members: ['n1', 'n2'] }];
    const request = aRequest({ target: { definition: 'spec', groups } });
    expect(listLockedHosts({ request }, renderSpecInventory(groups))).toEqual(['n1', 'n2']);
  });

  test('has the hosts of a range, and none twice for its port', () => {
    const groups = [{ name: 'lab', members: ['n[08:10]', 'm[a:c:2]:22', 'n08:22', 'n11'] }];
    const locked = (ansibleLimit: string) =>
      listLockedHosts(
        { request: aRequest({ target: { definition: 'spec', groups }, ansibleLimit }) },
        renderSpecInventory(groups),
      ).toSorted();
    expect(locked('')).toEqual(['ma', 'mc', 'n08', 'n09', 'n10', 'n11']);
    expect(locked('n09')).toEqual(['n09']);
  });

  test('has the repository if the inventory comes from there, and nothing for images', () => {
    const request = aRequest({ target: { definition: 'repo' } });
    expect(listLockedHosts({ request, ...withMore }, undefined)).toEqual([
      'inventory https://git/hosts.git',
    ]);
    expect(lock({}, 'repo')).toEqual([]);
    expect(lock({}, 'image')).toEqual([]);
  });
});

const { ansiblePlaybook } = parseConfig(process.env).runner;
const python = join(dirname(ansiblePlaybook), 'python3');
const isThere = existsSync(python) || process.env['REQUIRE_SERVERS'] === '1';

const LIST = `
import json, sys
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
inventory = InventoryManager(DataLoader(), sources=sys.argv[1])
hosts = {}
for limit in json.load(open(sys.argv[2])):
    inventory.subset(limit or None)
    hosts[limit] = sorted(host.name for host in inventory.list_hosts('all'))
print(json.dumps(hosts))
`;

/** The hosts above, and some names that stand for several hosts. */
const groups = [
  { name: 'blue', members: ['x1', 'x2'] },
  { name: 'green', members: ['x2', 'x3', 'y.1'] },
  { name: 'x3', members: ['y.2'] },
  { name: 'all', members: ['x1', 'u1'] },
  {
    name: 'Compute',
    members: ['x1', 'r[1:3]-z', 'r3-z:22', 's[a:e:2][08:10]', 't[:2]', 'fe80::1'],
  },
];

(isThere ? describe : describe.skip)('a limit', () => {
  test('has every host that Ansible reaches', async () => {
    const words = [
      'x1',
      'x3',
      'blue',
      'green',
      'y.*',
      'x?',
      'y.1',
      'Compute',
      'all',
      'x[1]',
      'blue[1]',
      'z1',
      'x1 x3',
      'r1-z',
      'r*-z',
      'sa09',
      'al?',
      'ungrouped',
      'u*',
    ];
    const signs = ['', '!', '&'];
    const pairs = words.flatMap((first) =>
      words.flatMap((second) =>
        signs.flatMap((one) =>
          signs.flatMap((two) =>
            [',', ':', ' , ', ' '].flatMap((by) => [
              `${one}${first}${by}${two}${second}`,
              `${one}${first}${by}${two}${second}:!x1`,
            ]),
          ),
        ),
      ),
    );
    const limits = ['', 'Compute,', 'fe80::1', 'x1:fe80::1', ...pairs];
    const directory = await mkdtemp(join(tmpdir(), 'keelson-limits-'));
    try {
      const file = join(directory, '01-cfs-generated.yaml');
      await writeFile(file, renderSpecInventory(groups).text);
      await writeFile(join(directory, 'limits'), JSON.stringify(limits));
      const { stdout } = await promisify(execFile)(
        python,
        ['-c', LIST, file, join(directory, 'limits')],
        { maxBuffer: 2 ** 28 },
      );
      const reached = JSON.parse(stdout) as Record<string, readonly string[]>;
      expect(Object.keys(reached)).toHaveLength(new Set(limits).size);
      expect(reached['Compute,']).toContain('sc10');
      const missed = limits.flatMap((ansibleLimit) => {
        const target = { definition: 'spec', groups } as const;
        const locked = new Set(
          listLockedHosts(
            { request: aRequest({ target, ansibleLimit }) },
            renderSpecInventory(groups),
          ),
        );
        const missing = (reached[ansibleLimit] ?? []).filter((host) => !locked.has(host));
        return missing.length === 0 ? [] : [{ ansibleLimit, missing }];
      });
      expect(missed).toEqual([]);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
