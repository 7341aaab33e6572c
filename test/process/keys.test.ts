import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readMachineId, readMasterKey } from '../../src/process/keys.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-keys-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe('readMasterKey', () => {
  test('makes a key at first use, readable only by its owner, and keeps it', () => {
    const file = join(directory, 'data', 'master.key');
    const key = readMasterKey(file);
    expect(key).toHaveLength(32);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readMasterKey(file)).toEqual(key);
  });

  test('refuses a file without a whole key, naming its variable', () => {
    const file = join(directory, 'master.key');
    writeFileSync(file, 'abcd\n');
    expect(() => readMasterKey(file)).toThrow(/^MASTER_KEY_FILE: /);
  });
});

describe('readMachineId', () => {
  test('names the machine by its data directory', () => {
    expect(readMachineId(directory)).toMatch(/^[0-9a-f-]{36}$/);
    expect(readMachineId(directory)).toBe(readMachineId(directory));
    expect(readMachineId(join(directory, 'other'))).not.toBe(readMachineId(directory));
  });
});
