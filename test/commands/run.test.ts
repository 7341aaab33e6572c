import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

const SWEEP = fileURLToPath(new URL('../../dist/commands/sweep.js', import.meta.url));

describe('runCommand', () => {
  test('ends silently when nobody reads the output of the command', async () => {
    const child = spawn(process.execPath, [SWEEP, '--help']);
    child.stdout.destroy();
    const [errors] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    expect({ errors, code: child.exitCode }).toEqual({ errors: '', code: 0 });
  });
});
