import { describe, expect, test } from '@jest/globals';
import type { Configuration } from '../../../src/core/configuration.js';
import { at, count } from '../../support/store-builders.js';
import type { Stores } from '../store-contract.js';

function aConfiguration(name: string, description = ''): Configuration {
  return {
    name,
    description,
    lastUpdated: at(0),
    layers: [{ playbook: 'site.yml', branch: 'main' }],
  };
}

export function configurationContract(stores: () => Stores): void {
  describe('configurations.save', () => {
    test('creates and replaces, with a version that rises', async () => {
      const { store, other } = stores();
      await store.configurations.save(aConfiguration('a', 'one'));
      const first = await other.configurations.find('a');
      await store.configurations.save(aConfiguration('a', 'two'));
      const second = await other.configurations.find('a');

      expect(first?.configuration).toEqual(aConfiguration('a', 'one'));
      expect(second?.configuration).toEqual(aConfiguration('a', 'two'));
      expect(second?.version).toBeGreaterThan(first?.version ?? NaN);
      expect(await store.configurations.find('b')).toBeUndefined();
    });

    test('with a version succeeds for one of many', async () => {
      const { store, other } = stores();
      await store.configurations.save(aConfiguration('a'));
      const version = (await store.configurations.find('a'))?.version ?? 0;

      const saves = Array.from({ length: 10 }, (_, index) =>
        (index % 2 === 0 ? store : other).configurations.save(
          aConfiguration('a', `${index}`),
          version,
        ),
      );

      expect(await count(saves)).toEqual({ undefined: 1, conflict: 9 });
    });

    test('does not mistake a new configuration for the one that was removed', async () => {
      const { store } = stores();
      await store.configurations.save(aConfiguration('a'));
      const version = (await store.configurations.find('a'))?.version;
      await store.configurations.remove('a');
      expect(await count([store.configurations.save(aConfiguration('a'), version)])).toEqual({
        conflict: 1,
      });

      await store.configurations.save(aConfiguration('a', 'new'));

      expect(await count([store.configurations.save(aConfiguration('a'), version)])).toEqual({
        conflict: 1,
      });
      expect((await store.configurations.find('a'))?.configuration.description).toBe('new');
    });
  });

  describe('configurations.list', () => {
    test('is in order of names, page by page', async () => {
      const { store } = stores();
      for (const name of ['b', 'a', 'd', 'c'])
        await store.configurations.save(aConfiguration(name));
      const page = async (request: { limit: number; afterId?: string }) => {
        const { items, hasMore } = await store.configurations.list(request);
        return [...items.map(({ name }) => name), hasMore];
      };

      expect(await page({ limit: 3 })).toEqual(['a', 'b', 'c', true]);
      expect(await page({ limit: 3, afterId: 'bb' })).toEqual(['c', 'd', false]);
    });
  });

  describe('configurations.remove', () => {
    test('succeeds for one of many', async () => {
      const { store, other } = stores();
      await store.configurations.save(aConfiguration('a'));
      const removals = [1, 2, 3, 4].map((n) =>
        (n % 2 === 0 ? store : other).configurations.remove('a'),
      );

      expect(await count(removals)).toEqual({ undefined: 1, missing: 3 });
      await expect(store.configurations.remove('a')).rejects.toMatchObject({
        title: 'Configuration not found',
        message: 'Configuration a could not be found',
      });
    });
  });
}
