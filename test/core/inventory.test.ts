import { describe, expect, test } from '@jest/globals';
import {
  renderDynamicInventory,
  renderSpecInventory,
  type HardwareState,
} from '../../src/core/inventory.js';
import { readFixture } from '../support/fixture.js';

function aState(state: Partial<HardwareState> = {}): HardwareState {
  return { groups: [], partitions: [], components: [], ...state };
}

function groupsOf(text: string): Record<string, { hosts: Record<string, object> }> {
  return (JSON.parse(text) as { all: { children: never } }).all.children;
}

describe('renderDynamicInventory', () => {
  test('makes a group of each HSM group, partition, role and subrole', () => {
    const { text, hosts, warnings } = renderDynamicInventory({
      groups: [
        { label: 'blue', members: ['x1000c0s1b0n0', 'x1000c0s0b0n0'] },
        { label: 'logins', members: [] },
      ],
      partitions: [{ name: 'p1', members: ['x1000c0s0b0n0', 'x1000c0s0b0'] }],
      components: [
        { id: 'x1000c0s0b0n0', role: 'Compute' },
        { id: 'x3000c0s19b0n0', role: 'Application', subRole: 'UAN' },
        { id: 'x3000c0s1b0n0', role: 'Management', subRole: 'Worker' },
        { id: 'x3000c0s2b0n0', subRole: 'Worker' },
        { id: 'x3000c0s3b0n0' },
        { id: 'x3000c0s4b0n0', role: '', subRole: '' },
      ],
    });

    expect(text).toBe(readFixture('inventory/dynamic.yaml', text));
    expect(hosts).toBe(6);
    expect(warnings).toEqual([]);
  });

  test.each(['blue', 'uan', 'p0', '_x', 'match', 'type', 'case', 'Blue9', 'ungrouped'])(
    'keeps a group "%s"',
    (label) => {
      const { text, warnings } = renderDynamicInventory(
        aState({ groups: [{ label, members: ['x1'] }] }),
      );

      expect(groupsOf(text)).toEqual({ [label]: { hosts: { x1: {} } } });
      expect(warnings).toEqual([]);
    },
  );

  test.each([
    ...['blue-nodes', 'a.b', 'a:b', 'p1.2', '1rack', 'a', '_', '', 'blå', 'a b', 'ab\n'],
    ...'False None True and as assert async await break class continue def del elif else'.split(
      ' ',
    ),
    ...'except finally for from global if import in is lambda nonlocal not or pass'.split(' '),
    ...'raise return try while with yield'.split(' '),
    'all',
  ])('leaves out a group or partition "%s" with a warning', (name) => {
    const { text, hosts, warnings } = renderDynamicInventory(
      aState({
        groups: [{ label: name, members: ['x1'] }],
        partitions: [{ name, members: ['x1'] }],
      }),
    );

    expect(groupsOf(text)).toEqual({});
    expect(hosts).toBe(0);
    const why =
      name === 'all'
        ? 'Ansible has its own group of that name'
        : 'a name needs at least two letters, digits or "_", must not begin with a digit, and must not be a Python keyword';
    expect(warnings).toEqual([
      `Group "${name}" is left out: ${why}.`,
      `Partition "${name}" is left out: ${why}.`,
    ]);
  });

  test('accepts every name of a role except the one that breaks the inventory', () => {
    const { text, warnings } = renderDynamicInventory(
      aState({
        components: [
          { id: 'x1', role: 'My-Role', subRole: '9' },
          { id: 'x2', role: 'all' },
        ],
      }),
    );

    expect(Object.keys(groupsOf(text)).sort()).toEqual(['My-Role', 'My-Role_9']);
    expect(warnings).toEqual(['Role "all" is left out: Ansible has its own group of that name.']);
  });

  test('lets a partition replace a group, and a role both', () => {
    const { text, warnings } = renderDynamicInventory({
      groups: [
        { label: 'p1', members: ['x1'] },
        { label: 'Compute', members: ['x1'] },
      ],
      partitions: [{ name: 'p1', members: ['x2'] }],
      components: [{ id: 'x3', role: 'Compute' }],
    });

    expect(groupsOf(text)).toEqual({ p1: { hosts: { x2: {} } }, Compute: { hosts: { x3: {} } } });
    expect(warnings).toEqual([
      'Partition "p1" replaces a group of the same name.',
      'Role "Compute" replaces a group of the same name.',
    ]);
  });

  test('is an empty inventory when there is nothing', () => {
    expect(JSON.parse(renderDynamicInventory(aState()).text)).toEqual({ all: { children: {} } });
  });

  test('depends on no order of the source', () => {
    const one = { label: 'one', members: ['x1', 'x2'] };
    const two = { label: 'two', members: ['x2', 'x3'] };
    const turned = { label: 'one', members: ['x2', 'x1'] };

    expect(renderDynamicInventory(aState({ groups: [one, two] }))).toEqual(
      renderDynamicInventory(aState({ groups: [two, turned] })),
    );
  });

  test('keeps names that JavaScript objects have as members', () => {
    const groups = [{ label: '__proto__', members: ['constructor', '__proto__'] }];

    const { text } = renderDynamicInventory(aState({ groups }));

    expect(text).toContain('"__proto__": {\n    "hosts": {');
    expect(text).toContain('"constructor": {}');
  });
});

describe('renderSpecInventory', () => {
  test('writes the groups at the top level and merges equal names', () => {
    const { text, hosts, warnings } = renderSpecInventory([
      { name: 'Compute', members: ['x2', 'x1'] },
      { name: 'blue-nodes', members: ['x1'] },
      { name: 'Compute', members: ['x3', 'x1'] },
      { name: 'none', members: [] },
    ]);

    expect(text).toBe(readFixture('inventory/spec.yaml', text));
    expect(hosts).toBe(3);
    expect(warnings).toEqual([]);
  });

  test('takes "all" at the top level, where Ansible has it', () => {
    const { text } = renderSpecInventory([{ name: 'all', members: ['x1'] }]);

    expect(JSON.parse(text)).toEqual({ all: { hosts: { x1: {} } } });
  });

  test('is an inventory to Ansible without groups, and with one named "plugin"', () => {
    const plugin = renderSpecInventory([
      { name: 'plugin', members: ['x1'] },
      { name: 'all', members: ['x2'] },
    ]);

    expect(JSON.parse(renderSpecInventory([]).text)).toEqual({ all: { children: {} } });
    expect(JSON.parse(plugin.text)).toEqual({
      all: { hosts: { x2: {} }, children: { plugin: { hosts: { x1: {} } } } },
    });
  });
});
