import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { DEFAULT_OPTIONS } from '../../../src/core/options.js';
import { aNewSession, count } from '../../support/store-builders.js';
import type { Stores } from '../store-contract.js';

export function documentContract(stores: () => Stores): void {
  describe('options', () => {
    test('are the defaults until changed, each separately', async () => {
      const { store, other } = stores();
      expect(await store.options.get()).toEqual(DEFAULT_OPTIONS);

      await Promise.all([
        store.options.patch({ batchSize: 7 }),
        other.options.patch({ defaultPlaybook: 'x.yml' }),
      ]);
      const patched = await store.options.patch({ includeAraLinks: false });

      expect(patched).toEqual({
        ...DEFAULT_OPTIONS,
        batchSize: 7,
        defaultPlaybook: 'x.yml',
        includeAraLinks: false,
      });
      expect(await other.options.get()).toEqual(patched);
      expect(await other.options.patch({})).toEqual(patched);
    });
  });

  describe('staged files', () => {
    test('are there until removed, the latest of a name', async () => {
      const { store, other } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      const gzip = gzipSync('{"all": {}}');
      await store.stagedFiles.save(jobId, 'hosts.yaml', gzipSync('old'));
      await store.stagedFiles.save(jobId, 'hosts.yaml', gzip);

      const files = await other.stagedFiles.read(jobId);
      expect(Object.keys(files)).toEqual(['hosts.yaml']);
      expect(Buffer.from(files['hosts.yaml'] ?? []).equals(gzip)).toBe(true);

      await store.stagedFiles.remove(jobId);
      await store.stagedFiles.remove(jobId);
      expect(await store.stagedFiles.read(jobId)).toEqual({});
    });
  });

  describe('resources', () => {
    test('are listed in the order in which they were noted, each once', async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      await store.resources.note(jobId, 'ims-key', 'z');
      await store.resources.note(jobId, 'ims-job', 'b');
      await store.resources.note(jobId, 'ims-job', 'a');
      await store.resources.note(jobId, 'ims-key', 'z');

      await store.resources.remove(jobId, 'ims-job', 'b');
      await store.resources.remove(jobId, 'ims-job', 'b');

      expect(await store.resources.list(jobId)).toEqual([
        { kind: 'ims-key', key: 'z' },
        { kind: 'ims-job', key: 'a' },
      ]);
    });

    test('belong to a session', async () => {
      expect(await count([stores().store.resources.note('cfs-none', 'job', 'x')])).toEqual({
        missing: 1,
      });
    });
  });

  describe('deploymentId', () => {
    test('is one for all, of 8 hexadecimal digits', async () => {
      const { store, other } = stores();

      expect(await store.deploymentId()).toMatch(/^[0-9a-f]{8}$/);
      expect(await other.deploymentId()).toBe(await store.deploymentId());
    });
  });

  describe('masterKey', () => {
    test('keeps the first digest that is bound, until it is forgotten', async () => {
      const { store, other } = stores();
      expect(await store.masterKey.find()).toBeUndefined();

      expect(await store.masterKey.bind('a')).toBe('a');
      expect(await other.masterKey.bind('b')).toBe('a');
      expect(await other.masterKey.find()).toBe('a');

      await store.masterKey.forget();
      expect(await other.masterKey.bind('b')).toBe('b');
    });
  });

  describe('ping', () => {
    test('reports a closed database as unavailable', async () => {
      const { store } = stores();
      await store.ping();

      await store.close();

      expect(await count([store.ping(), store.sessions.insert(aNewSession('a'))])).toEqual({
        unavailable: 2,
      });
    });
  });
}
