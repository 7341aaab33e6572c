import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createOpenSource, type SourceAccessOptions } from '../../src/process/source-access.js';
import { sealCredentials } from '../../src/process/source-credentials.js';

const masterKey = Buffer.alloc(32, 1);
const own = { username: 'cfs', password: 'own' };

let root: string;
let directory: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'keelson-source-access-'));
  directory = join(root, 'authorities');
  mkdirSync(directory);
  writeFileSync(join(root, 'a-secret'), 'of somebody else');
  writeFileSync(join(directory, 'file'), 'of the file');
  // As the kubelet mounts a ConfigMap.
  mkdirSync(join(directory, 'mounted', '..data'), { recursive: true });
  writeFileSync(join(directory, 'mounted', 'b.crt'), 'of the second key');
  writeFileSync(join(directory, 'mounted', 'a.crt'), 'of the first key');
  mkdirSync(join(directory, 'empty'));
});
afterAll(() => rmSync(root, { recursive: true }));

/** Opens a source with its own credentials. */
function open(
  configmapName: string | undefined,
  options: Partial<SourceAccessOptions> = {},
  credentials: string | undefined = sealCredentials(masterKey, 'site', own),
) {
  const source = {
    ...{ name: 'site', cloneUrl: 'https://git.example.com/site.git', secretName: 'kept' },
    lastUpdated: '2026-01-01T00:00:00Z',
    ...(configmapName === undefined ? {} : { caCert: { configmapName } }),
  };
  const stored = { source, version: 1, ...(credentials === '' ? {} : { credentials }) };
  const store = { find: (name: string) => Promise.resolve(name === 'site' ? stored : undefined) };
  const openSource = createOpenSource({ store, masterKey, ...options });
  return (name = 'site') => openSource(name, new AbortController().signal);
}

describe('createOpenSource', () => {
  test('reads the certificate authority from a file, or from the first key of a mounted ConfigMap', async () => {
    const caOf = async (name?: string) =>
      (await open(name, { caDirectory: directory })()).access.ca;
    expect(await caOf()).toBeUndefined();
    expect(await caOf('file')).toBe('of the file');
    expect(await caOf('mounted')).toBe('of the first key');
  });

  test.each(['missing', 'empty', '../a-secret', '.', '..'])(
    'takes no certificate authority from %s',
    async (name) => {
      await expect(open(name, { caDirectory: directory })()).rejects.toMatchObject({
        ...{ fault: 'rejected', reason: 'GIT_CLONE' },
        message: expect.stringContaining('The source site has'),
      });
    },
  );

  test('says which setting it lacks', async () => {
    await expect(open('file')()).rejects.toThrow('SOURCE_CA_DIRECTORY is not set');
    await expect(open(undefined, {}, '')()).rejects.toThrow('VAULT_ADDR is not set');
    await expect(open(undefined)('other')).rejects.toMatchObject({ fault: 'missing' });
  });

  test('asks Vault only for credentials that it does not have itself', async () => {
    const vault = {
      readCredentials: (name: string) => Promise.resolve({ username: 'vault', password: name }),
      logIn: () => Promise.reject(new Error('not asked for')),
    };
    expect((await open(undefined, { vault })()).access.credentials).toEqual(own);
    expect((await open(undefined, { vault }, '')()).access.credentials).toEqual({
      ...{ username: 'vault', password: 'kept' },
    });
  });
});
