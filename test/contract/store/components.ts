import { describe, expect, test } from '@jest/globals';
import type { ComponentPatch, ComponentPut, LayerReport } from '../../../src/core/component.js';
import type { ComponentFilter, Store } from '../../../src/store/store.js';
import { at, count } from '../../support/store-builders.js';
import type { Stores } from '../store-contract.js';

const NOW = '2026-01-02T03:04:05.678Z';
const layer = { cloneUrl: 'https://git/a.git', playbook: 'site.yml', commit: 'a'.repeat(40) };
const LONG = 'k'.repeat(5_000);
const applied: LayerReport = { ...layer, sessionName: 's', status: 'applied' };

async function saveConfiguration(store: Store, name: string, commit = layer.commit): Promise<void> {
  await store.configurations.save({ name, lastUpdated: at(0), layers: [{ ...layer, commit }] });
}

function put(store: Store, ...components: readonly ComponentPut[]) {
  return store.components.put(components, NOW, (component) => component);
}

async function listIds(store: Store, filter: ComponentFilter = {}): Promise<string> {
  const { items } = await store.components.list(filter, { limit: 100 });
  return items.map(({ component }) => component.id).join(' ');
}

async function statusOf(store: Store, id: string) {
  return (await store.components.find(id))?.status;
}

export function componentContract(stores: () => Stores): void {
  describe('components.put', () => {
    test('stores every member, and replaces', async () => {
      const { store, other } = stores();
      const component = {
        id: 'x1',
        state: [applied],
        desiredConfig: 'compute',
        errorCount: 2,
        retryPolicy: -1,
        enabled: false,
        tags: { 'a "quoted"\n': ',"b":"c"\n', é: '' },
      };
      const [stored] = await put(store, component);
      expect(stored).toEqual({
        ...component,
        state: [{ ...applied, lastUpdated: '2026-01-02T03:04:05Z' }],
      });
      expect((await other.components.find('x1'))?.component).toEqual(stored);

      await put(store, { id: 'x1' }, { id: 'x2' }, { id: 'x2', enabled: true, tags: {} });
      expect((await other.components.find('x1'))?.component).toEqual({ id: 'x1', state: [] });
      expect((await other.components.find('x2'))?.component).toEqual({
        id: 'x2',
        state: [],
        enabled: true,
        tags: {},
      });
      expect(await other.components.find('x3')).toBeUndefined();
    });
  });

  describe('components.list', () => {
    test('pages by id, in the order of code points', async () => {
      const { store } = stores();
      await put(store, ...['b', 'a', 'B', 'é', '\u{1F600}', '\uFF5E'].map((id) => ({ id })));
      expect(await listIds(store)).toBe('B a b é \uFF5E \u{1F600}');
      const page = await store.components.list({}, { limit: 2, afterId: 'B' });
      expect(page.items.map(({ component }) => component.id)).toEqual(['a', 'b']);
      expect(page.hasMore).toBe(true);
      expect(await store.components.list({}, { limit: 2, afterId: 'é' })).toMatchObject({
        hasMore: false,
      });
    });

    test('by every filter', async () => {
      const { store } = stores();
      await saveConfiguration(store, 'compute');
      await put(
        store,
        { id: 'x1', desiredConfig: 'compute', enabled: true, tags: { a: '1', b: '2' } },
        { id: 'x2', desiredConfig: 'compute', enabled: false, state: [applied], tags: { a: '1' } },
        { id: 'x3', desiredConfig: 'compute', errorCount: 3, tags: { '":"': ',' } },
        { id: 'x4', desiredConfig: 'compute', errorCount: 3, retryPolicy: 4, tags: { a: ':' } },
        { id: 'x5', desiredConfig: 'gone' },
        { id: 'x6' },
        // Tags too long for an entry of an index, which begin alike.
        { id: 'x7', desiredConfig: '', tags: { [LONG]: '1', z: '😀'.repeat(100) } },
        { id: 'x8', desiredConfig: '', tags: { [LONG]: '2', z: `${'😀'.repeat(99)}!` } },
      );
      const rows: readonly (readonly [ComponentFilter, string])[] = [
        [{}, 'x1 x2 x3 x4 x5 x6 x7 x8'],
        [{ ids: ['x4', 'x1', 'x9', 'x1'] }, 'x1 x4'],
        [{ ids: [] }, ''],
        [{ enabled: true }, 'x1'],
        [{ enabled: false }, 'x2'],
        [{ configName: 'compute' }, 'x1 x2 x3 x4'],
        [{ tags: { a: '1' } }, 'x1 x2'],
        [{ tags: { a: '1', b: '2' } }, 'x1'],
        [{ tags: { a: ':","' } }, ''],
        [{ tags: { [LONG]: '1' } }, 'x7'],
        [{ tags: { [LONG]: '2' } }, 'x8'],
        [{ tags: { z: '😀'.repeat(100) } }, 'x7'],
        [{ status: 'pending' }, 'x1 x4'],
        [{ status: 'configured' }, 'x2'],
        [{ status: 'failed' }, 'x3'],
        [{ status: 'unconfigured' }, 'x5 x7 x8'],
        [{ status: 'config_deprecated' }, 'x6'],
        [{ status: 'pending', enabled: true, ids: ['x1', 'x4'], tags: { a: '1' } }, 'x1'],
      ];
      for (const [filter, ids] of rows) {
        expect([filter, await listIds(store, filter)]).toEqual([filter, ids]);
      }
    });

    test('by many tags', async () => {
      const { store } = stores();
      const tags = Object.fromEntries(Array.from({ length: 3_000 }, (_, i) => [`k${i}`, 'v']));
      await put(store, { id: 'x1', tags }, { id: 'x2', tags: { ...tags, k7: 'w' } });
      expect(await listIds(store, { tags })).toBe('x1');
      expect(await store.components.patchAll({ tags }, { enabled: true }, at(1))).toEqual(['x1']);
    });

    test('by status, as configurations and options are now', async () => {
      const { store, other } = stores();
      await saveConfiguration(store, 'compute');
      await put(
        store,
        { id: 'x1', desiredConfig: 'compute', state: [applied] },
        { id: 'x2', desiredConfig: 'compute', errorCount: 1 },
        { id: 'x3', desiredConfig: 'later', state: [applied] },
      );
      expect(await listIds(store, { status: 'configured' })).toBe('x1 x3');

      await saveConfiguration(other, 'compute', 'b'.repeat(40));
      await saveConfiguration(other, 'later', 'b'.repeat(40));
      expect(await statusOf(store, 'x1')).toBe('pending');
      expect(await listIds(store, { status: 'configured' })).toBe('');
      expect(await listIds(store, { status: 'pending' })).toBe('x1 x2 x3');

      await other.options.patch({ defaultBatcherRetryPolicy: 1 });
      expect(await listIds(store, { status: 'failed' })).toBe('x2');

      await expect(other.configurations.remove('later')).rejects.toMatchObject({
        fault: 'invalid',
        title: 'Configuration is in use.',
      });
      await store.components.remove('x3');
      await other.configurations.remove('later');
      expect(await store.configurations.find('later')).toBeUndefined();
    });

    test('by status, more than are compared at once', async () => {
      const { store } = stores();
      const ids = Array.from({ length: 2_100 }, (_, index) => `x${index}`);
      await put(store, ...ids.map((id) => ({ id, desiredConfig: 'compute' })));
      await saveConfiguration(store, 'compute');
      const page = await store.components.list({ status: 'pending' }, { limit: 3_000 });
      expect(page.items).toHaveLength(2_100);
    });
  });

  describe('components.patch', () => {
    test('applies one after the other, all or nothing', async () => {
      const { store, other } = stores();
      await put(store, { id: 'x1', enabled: true }, { id: 'x2' });
      const patches = [
        { id: 'x2', errorCount: 1 },
        { id: 'x1', enabled: false },
        { id: 'x2', addErrors: 1, stateAppend: [applied] },
      ];
      const results = await store.components.patch(patches, NOW, ({ id }) => id);
      expect(results).toEqual(['x2', 'x1', 'x2']);
      expect((await other.components.find('x2'))?.component).toMatchObject({
        errorCount: 2,
        state: [applied],
      });

      const bad = store.components.patch(
        [{ id: 'x1', enabled: true }, { id: 'x9' }],
        NOW,
        ({ id }) => id,
      );
      expect(await count([bad])).toEqual({ missing: 1 });
      expect((await other.components.find('x1'))?.component).toMatchObject({ enabled: false });
    });

    test('loses nothing of what comes at once', async () => {
      const { store, other } = stores();
      await put(store, { id: 'x1' }, { id: 'x2' });
      const patches = Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? store : other).components.patch(
          [index % 3 === 0 ? 'x1' : 'x2', index % 3 === 0 ? 'x2' : 'x1'].map((id) => ({
            id,
            addErrors: 1,
          })),
          NOW,
          ({ id }) => id,
        ),
      );
      await Promise.all(patches);
      const page = await store.components.list({}, { limit: 2 });
      expect(page.items.map(({ component }) => component.errorCount)).toEqual([20, 20]);
    });
  });

  describe('components.patch of one', () => {
    test('loses none of many simultaneous patches, and only those fail that cannot be done', async () => {
      const { store, other } = stores();
      await put(store, { id: 'x1' }, { id: 'x2' }, { id: 'x3', errorCount: 7 });
      const ids = ['x1', 'x2', 'x3', 'x9'];
      const patches = Array.from({ length: 40 }, (_, index) =>
        (index % 8 < 4 ? store : other).components.patch(
          [{ id: ids[index % 4] ?? '', addErrors: index % 4 === 2 ? 0 : 1 }],
          NOW,
          ({ id }) => id,
        ),
      );
      expect(await count(patches)).toEqual({ x1: 10, x2: 10, x3: 10, missing: 10 });
      const page = await store.components.list({}, { limit: 9 });
      expect(page.items.map(({ component }) => component.errorCount)).toEqual([10, 10, 7]);
    });

    test('answers each with its own result', async () => {
      const { store } = stores();
      await put(store, { id: 'x1', state: [applied] });
      const patched = await Promise.all(
        [1, 2, 3].map((errorCount) =>
          store.components.patch([{ id: 'x1', errorCount }], NOW, (component) => component),
        ),
      );
      const [first] = patched[0] ?? [];
      expect(patched.flat().map(({ errorCount }) => errorCount)).toEqual([1, 2, 3]);
      expect(first?.state).toMatchObject([applied]);
      expect((await store.components.find('x1'))?.component).toMatchObject({
        errorCount: 3,
        state: [applied],
      });
    });

    test('is seen by status as the configuration is now', async () => {
      const { store, other } = stores();
      await saveConfiguration(store, 'compute');
      await put(store, { id: 'x1', desiredConfig: 'compute' }, { id: 'x2' });
      const patch = (id: string, changes: ComponentPatch) =>
        store.components.patch([{ id, ...changes }], NOW, () => undefined);
      await patch('x1', { stateAppend: [applied] });
      expect(await listIds(store, { status: 'configured' })).toBe('x1');

      await saveConfiguration(other, 'compute', 'b'.repeat(40));
      await patch('x1', { tags: { a: '1' } });
      expect(await listIds(store, { status: 'pending' })).toBe('x1');
      await patch('x1', { stateAppend: [{ ...applied, commit: 'b'.repeat(40) }] });
      await patch('x2', { desiredConfig: 'compute' });
      expect(await listIds(store, { status: 'configured' })).toBe('x1');
      expect(await listIds(store, { status: 'pending' })).toBe('x2');

      await patch('x1', { desiredConfig: 'gone' });
      await patch('x2', { desiredConfig: '' });
      expect(await listIds(store, { status: 'unconfigured' })).toBe('x2');
      expect(await listIds(store, { status: 'configured' })).toBe('x1');
    });
  });

  describe('components.patchMatching', () => {
    test('patches all that match when it begins, and no other', async () => {
      const { store } = stores();
      await saveConfiguration(store, 'compute');
      const ids = Array.from({ length: 1_100 }, (_, index) => `x${index}`);
      await put(store, ...ids.map((id) => ({ id, desiredConfig: 'compute' })), { id: 'y' });
      const filter = { status: 'pending' } as const;
      const patch = { stateAppend: [applied] };
      const patched = await store.components.patchMatching(filter, patch, NOW, ({ id }) => id);
      expect(patched).toEqual([...ids].sort());
      expect(await listIds(store, filter)).toBe('');
      expect(await store.components.patchMatching(filter, patch, NOW, ({ id }) => id)).toEqual([]);
      expect((await store.components.find('y'))?.component.state).toEqual([]);
    });
  });

  describe('components.patchAll', () => {
    const both = async (store: Store, filter: ComponentFilter, patch: object) => {
      const put = [
        { id: 'x1', desiredConfig: 'compute', tags: { a: '1' }, errorCount: 2 },
        { id: 'x2', desiredConfig: 'compute', state: [applied], enabled: true },
        { id: 'x3', retryPolicy: 1, tags: { a: '1', b: '' } },
      ];
      const stored = async () => (await store.components.list({}, { limit: 9 })).items;
      await store.components.put(put, NOW, ({ id }) => id);
      const ids = await store.components.patchAll(filter, patch, NOW);
      const all = await stored();
      await store.components.put(put, NOW, ({ id }) => id);
      const matching = await store.components.patchMatching(filter, patch, NOW, ({ id }) => id);
      return [
        { ids, stored: all },
        { ids: matching, stored: await stored() },
      ] as const;
    };

    test.each<[ComponentFilter, object]>([
      [{}, { enabled: false }],
      [{ ids: ['x1', 'x2', 'x9'] }, { enabled: false }],
      [{ configName: 'compute' }, {}],
      [{ configName: 'compute' }, { desiredConfig: 'other' }],
      [{ enabled: true }, { desiredConfig: '', errorCount: 7 }],
      [{ tags: { a: '1' } }, { retryPolicy: -1, tags: { c: '1' } }],
      [{ configName: 'compute' }, { state: [] }],
      [{ status: 'configured' }, { enabled: false, errorCount: 1 }],
    ])('%j %j does what patchMatching does', async (filter, patch) => {
      const { store } = stores();
      await saveConfiguration(store, 'compute');
      await saveConfiguration(store, 'other', 'b'.repeat(40));
      const [all, matching] = await both(store, filter, patch);
      expect(all).toEqual(matching);
      expect(all.ids.length).toBeGreaterThan(0);
    });

    test('is seen by status at once', async () => {
      const { store } = stores();
      await saveConfiguration(store, 'compute');
      await saveConfiguration(store, 'other', 'b'.repeat(40));
      await put(store, { id: 'x1', desiredConfig: 'compute', state: [applied] });
      await store.components.patchAll({}, { desiredConfig: 'other' }, NOW);
      expect(await listIds(store, { status: 'pending' })).toBe('x1');
    });
  });

  describe('components.change', () => {
    test('changes components by what is stored at the time', async () => {
      const { store } = stores();
      await saveConfiguration(store, 'compute');
      await put(
        store,
        { id: 'x1', desiredConfig: 'compute' },
        { id: 'x2', desiredConfig: 'compute', state: [applied] },
      );
      const changed = await store.components.change(
        ['x2', 'x1', 'x9'],
        ({ status, desiredState }) =>
          status === 'pending'
            ? { stateAppend: [{ ...applied, ...desiredState[0], status: 'skipped' }] }
            : undefined,
        NOW,
      );
      expect(changed).toEqual(['x1']);
      expect(await listIds(store, { status: 'configured' })).toBe('x1 x2');
    });
  });

  describe('components.remove', () => {
    test('succeeds once', async () => {
      const { store, other } = stores();
      await put(store, { id: 'x1' });
      const removals = [store, other, store].map((one) => one.components.remove('x1'));
      expect(await count(removals)).toEqual({ undefined: 1, missing: 2 });
    });
  });

  describe('components.addMissing', () => {
    test('creates those that do not exist, each once, and changes no other', async () => {
      const { store, other } = stores();
      await put(store, { id: 'x1', enabled: true, tags: { rack: '1' } });
      const all = Array.from({ length: 2_500 }, (_, index) => `n${index}`);
      const added = await Promise.all(
        [store, other].map((one) => one.components.addMissing(['x1', ...all, 'n7'])),
      );
      expect(added.reduce((total, some) => total + some, 0)).toBe(2_500);
      expect((await store.components.find('x1'))?.component.tags).toEqual({ rack: '1' });
      expect(await store.components.find('n7')).toEqual({
        component: {
          ...{ id: 'n7', state: [], desiredConfig: '', errorCount: 0, enabled: true, tags: {} },
        },
        status: 'unconfigured',
        desiredState: [],
      });
    });
  });
}
