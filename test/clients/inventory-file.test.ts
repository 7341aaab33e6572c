import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createInventoryFile } from '../../src/clients/inventory-file.js';

const never = new AbortController().signal;

describe('createInventoryFile', () => {
  let directory: string;
  let path: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'keelson-inventory-'));
    path = join(directory, 'hosts.yaml');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const read = (text: string) => {
    writeFileSync(path, text);
    return createInventoryFile(path).fetchHardwareState(never);
  };

  test('reads a file with the members of HSM', async () => {
    const text = `
groups:
  - label: blue
    description: ignored
    members: {ids: [x1, x2]}
partitions:
  - {name: p1, members: {ids: []}}
components:
  - {ID: x1, Role: Compute}
  - {ID: x2, Role: Application, SubRole: UAN}
  - ID: x3
`;
    expect(await read(text)).toEqual({
      groups: [{ label: 'blue', members: ['x1', 'x2'] }],
      partitions: [{ name: 'p1', members: [] }],
      components: [
        { id: 'x1', role: 'Compute' },
        { id: 'x2', role: 'Application', subRole: 'UAN' },
        { id: 'x3' },
      ],
    });
  });

  test('reads files with missing parts', async () => {
    expect(await read('groups:\ncomponents: [{ID: x1}]\n')).toEqual({
      groups: [],
      partitions: [],
      components: [{ id: 'x1' }],
    });
  });

  test('reads JSON and aliases', async () => {
    expect(await read('{"components": [{"ID": "x1"}]}')).toMatchObject({
      components: [{ id: 'x1' }],
    });
    expect(
      await read('groups: [{label: aa, members: &m {ids: [x1]}}, {label: bb, members: *m}]'),
    ).toMatchObject({ groups: [{ members: ['x1'] }, { members: ['x1'] }] });
  });

  test('reads the file anew each time', async () => {
    await read('components: [{ID: x1}]');

    expect(await read('components: [{ID: x2}]')).toMatchObject({ components: [{ id: 'x2' }] });
  });

  test('names itself by its path', () => {
    expect(createInventoryFile(path).source).toBe(path);
  });

  test.each([
    ['', 1, 'is null, not an object'],
    ['- a\n', 1, 'is an array, not an object'],
    ['groups: []\nhosts: []\n', 2, 'hosts is not one of groups, partitions, components'],
    ['groups: {}\n', 1, 'groups is an object, not an array'],
    [
      'groups:\n  - label: a\n    members: {ids: [x1]}\n  - label: b\n',
      4,
      'groups[1].members is missing, not an object',
    ],
    [
      'components:\n  - ID: x1\n  - ID: x2\n    Role: 7\n',
      4,
      'components[1].Role is a number, not a string',
    ],
    [
      'groups:\n  - label: a\n    members:\n      ids:\n        - 1\n',
      5,
      'groups[0].members.ids[0] is a number, not a string',
    ],
    ['partitions:\n  - members: {ids: []}\n', 2, 'partitions[0].name is missing'],
  ])('refuses %j', async (text, line, fact) => {
    await expect(read(text)).rejects.toMatchObject({
      name: 'ServiceError',
      fault: 'rejected',
      reason: 'INVENTORY',
      message: `Inventory file ${path}, line ${line}: ${fact}.`,
    });
  });

  test.each([
    ['groups: [\n', /line \d: is not YAML: /],
    ['groups: []\ngroups: []\n', /line 2: is not YAML: .*unique/],
    ['groups: *nobody\n', /line 1: is not YAML: /],
    ['a: 1\n---\nb: 2\n', /is not YAML: /],
  ])('refuses %j as no YAML', async (text, message) => {
    await expect(read(text)).rejects.toMatchObject({
      fault: 'rejected',
      reason: 'INVENTORY',
      message: expect.stringMatching(message),
    });
  });

  test('says that there is no file', async () => {
    await expect(createInventoryFile(path).fetchHardwareState(never)).rejects.toMatchObject({
      fault: 'rejected',
      reason: 'INVENTORY',
      message: `Inventory file ${path} cannot be read (ENOENT).`,
    });
  });

  test('ends with the reason of an abort', async () => {
    writeFileSync(path, '');
    const aborted = AbortSignal.abort(new Error('cancelled'));

    await expect(createInventoryFile(path).fetchHardwareState(aborted)).rejects.toThrow(
      'cancelled',
    );
  });
});
