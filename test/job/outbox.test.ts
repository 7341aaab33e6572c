import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { findPython } from '../support/ssh-host.js';
import { PROJECT } from './harness.js';

describe('the outbox of a phase', () => {
  it('keeps its promises, whatever happens to the phase and to the API', () => {
    const seed = process.env['OUTBOX_SEED'] ?? String(Date.now());
    const argv = [join(import.meta.dirname, 'outbox_model.py'), seed, '1000'];
    const env = { ...process.env, PYTHONPATH: PROJECT, PYTHONDONTWRITEBYTECODE: '1' };
    const { status, stdout, stderr } = spawnSync(findPython(), argv, { env, encoding: 'utf8' });
    expect({ seed, status, wrong: stdout + stderr }).toEqual({ seed, status: 0, wrong: '' });
  });
});
