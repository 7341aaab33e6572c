import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { toImageKey } from '../../src/process/image-key.js';

const master = Buffer.alloc(32, 7);
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-image-key-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('the key of an image session', () => {
  it('is the same for every worker that has the master key', () => {
    expect(toImageKey(master, 'cfs-a-01234567')).toEqual(
      toImageKey(Buffer.from(master), 'cfs-a-01234567'),
    );
  });

  it('differs for each session and each master key', () => {
    const keys = [
      toImageKey(master, 'cfs-a-01234567'),
      toImageKey(master, 'cfs-a-01234568'),
      toImageKey(Buffer.alloc(32, 8), 'cfs-a-01234567'),
    ];
    expect(new Set(keys.map(({ publicKey }) => publicKey)).size).toBe(3);
    expect(new Set(keys.map(({ privateKey }) => privateKey)).size).toBe(3);
  });

  // So many that some have scalars and coordinates with leading zeros.
  it('is readable by OpenSSH, and its halves match', () => {
    for (let index = 0; index < 40; index += 1) {
      const { privateKey, publicKey } = toImageKey(master, `cfs-a-${index}`);
      const file = join(directory, `key-${index}`);
      writeFileSync(file, privateKey, { mode: 0o600 });
      const derived = execFileSync('ssh-keygen', ['-y', '-f', file], { encoding: 'utf8' });
      expect(`${derived.trim()} keelson`).toBe(publicKey);
    }
  });

  it('is one line with a comment of one word, because IMS copies it into YAML', () => {
    expect(toImageKey(master, 'cfs-a-01234567').publicKey).toMatch(
      /^ecdsa-sha2-nistp256 [A-Za-z0-9+/]+=* keelson$/,
    );
  });
});
