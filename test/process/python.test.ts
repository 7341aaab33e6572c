import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { findInterpreter } from '../../src/process/python.js';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-python-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('findInterpreter', () => {
  test('finds the program behind a shim', async () => {
    const shim = join(directory, 'shim');
    writeFileSync(shim, '#!/bin/sh\nexec python3 "$@"\n');
    chmodSync(shim, 0o700);
    expect(await findInterpreter(shim)).toBe(await findInterpreter('python3'));
    expect(await findInterpreter(shim)).toMatch(/^\/.*python3/);
  });

  test('refuses an old Python and a missing one, naming the variable', async () => {
    const old = join(directory, 'old');
    writeFileSync(old, '#!/bin/sh\nprintf "/usr/bin/python3\\nFalse\\n3.6.8\\n"\n');
    chmodSync(old, 0o700);
    await expect(findInterpreter(old)).rejects.toThrow('PYTHON: ' + old + ' is version 3.6.8');
    await expect(findInterpreter(join(directory, 'none'))).rejects.toThrow(/^PYTHON: /);
  });
});
