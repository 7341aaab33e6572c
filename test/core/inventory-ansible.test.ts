import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { parseConfig } from '../../src/config.js';
import { renderDynamicInventory, renderSpecInventory } from '../../src/core/inventory.js';

const { ansiblePlaybook } = parseConfig(process.env).runner;
const ansibleInventory = join(dirname(ansiblePlaybook), 'ansible-inventory');
const isThere = existsSync(ansibleInventory) || process.env['REQUIRE_SERVERS'] === '1';

/** The groups and hosts that Ansible reads from a text under the file name that it has in a job. */
async function readByAnsible(text: string): Promise<Record<string, readonly string[]>> {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-inventory-'));
  try {
    await writeFile(join(directory, '01-cfs-generated.yaml'), text);
    const { stdout } = await promisify(execFile)(ansibleInventory, ['-i', directory, '--list'], {
      env: {
        PATH: process.env['PATH'],
        HOME: directory,
        ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED: '1',
      },
    });
    const groups = JSON.parse(stdout) as Record<string, { hosts?: readonly string[] }>;
    return Object.fromEntries(
      Object.entries(groups).flatMap(([name, { hosts }]) => (hosts ? [[name, hosts]] : [])),
    );
  } finally {
    await rm(directory, { recursive: true });
  }
}

(isThere ? describe : describe.skip)('ansible-inventory', () => {
  test('reads a dynamic inventory, with a group that HSM named "all"', async () => {
    const { text } = renderDynamicInventory({
      groups: [
        { label: 'all', members: ['x9'] },
        { label: 'plugin', members: ['x1'] },
      ],
      partitions: [{ name: 'p1', members: ['x2'] }],
      components: [{ id: 'x3', role: 'Application', subRole: 'UAN' }],
    });

    expect(await readByAnsible(text)).toEqual({
      plugin: ['x1'],
      p1: ['x2'],
      Application: ['x3'],
      Application_UAN: ['x3'],
    });
  });

  test('reads groups of a request, with one named "plugin"', async () => {
    const { text } = renderSpecInventory([
      { name: 'plugin', members: ['x1'] },
      { name: 'blue', members: ['x2'] },
      { name: 'all', members: ['x3'] },
    ]);

    expect(await readByAnsible(text)).toEqual({
      plugin: ['x1'],
      blue: ['x2'],
      ungrouped: ['x3'],
    });
  });

  test('finds no host where there is none', async () => {
    expect(await readByAnsible(renderSpecInventory([]).text)).toEqual({});
  });
});
