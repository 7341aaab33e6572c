import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openTokenFile } from '../../src/api/token-file.js';

const ANN = 'token-of-ann-0123456789';
const BOB = 'token-of-bob-0123456789';

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-tokens-'));
  file = join(directory, 'tokens');
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Replaces the file as an editor does. */
function write(text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

describe('openTokenFile', () => {
  test('reads a changed file again', () => {
    write(`${ANN} write ann\n${BOB} read bob\n`);
    const read = openTokenFile(file, () => undefined);
    expect(read().map(({ name }) => name)).toEqual(['ann', 'bob']);
    write(`${BOB} read bob\n`);
    expect(read()).toEqual([{ token: BOB, role: 'read', name: 'bob' }]);
  });

  test('keeps the tokens while the file cannot be used, and says so once for each change', () => {
    write(`${ANN} write ann\n`);
    const faults: string[] = [];
    const read = openTokenFile(file, ({ message }) => void faults.push(message));
    write('short read bob\n');
    expect([...read(), ...read()].map(({ name }) => name)).toEqual(['ann', 'ann']);
    rmSync(file);
    expect(read().map(({ name }) => name)).toEqual(['ann']);
    symlinkSync(file, file);
    expect([...read(), ...read()].map(({ name }) => name)).toEqual(['ann', 'ann']);
    expect(faults).toEqual([
      expect.stringMatching(/^AUTH_TOKENS_FILE: .*Line 1 of the tokens/),
      expect.stringMatching(/^AUTH_TOKENS_FILE: .*ENOENT/),
      expect.stringMatching(/^AUTH_TOKENS_FILE: .*ELOOP/),
    ]);
    write(`${BOB} read bob\n`);
    expect(read().map(({ name }) => name)).toEqual(['bob']);
  });

  test('fails if the file cannot be used at the start', () => {
    expect(() => openTokenFile(file, () => undefined)).toThrow(`AUTH_TOKENS_FILE: ${file}`);
  });
});
