import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parseConfig } from '../../src/config.js';
import { createHardwareSource, logInventoryFault } from '../../src/process/worker-sources.js';

test('only a mistake in the inventory file is logged at the start, with its line', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-inventory-'));
  const file = join(directory, 'inventory.yaml');
  const tell = async (text: string) => {
    writeFileSync(file, text);
    const { sources } = parseConfig({ INVENTORY_FILE: file });
    const told: object[] = [];
    await logInventoryFault(createHardwareSource(sources), {
      error: (fields: object) => told.push(fields),
    });
    return told;
  };
  expect(await tell('groups: []\n')).toEqual([]);
  expect(await tell('groups: []\nhosts: []\n')).toEqual([
    { why: `Inventory file ${file}, line 2: hosts is not one of groups, partitions, components.` },
  ]);
  rmSync(directory, { recursive: true });
});
