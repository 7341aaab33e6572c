import { describe, expect, test } from '@jest/globals';
import {
  PLATFORM,
  toConfigurationCause,
  type BatchResult,
} from '../../../src/core/backoff-cause.js';
import type { ComponentPut, LayerReport } from '../../../src/core/component.js';
import { toBatchPrefix, toBatchSession } from '../../../src/core/names.js';
import type { HostResults, Store } from '../../../src/store/store.js';
import { at, aNewSession, listWhole } from '../../support/store-builders.js';
import type { Stores } from '../store-contract.js';

const NOW = '2026-01-02T03:04:05.000Z';
const LATER = '2026-01-02T04:00:00.000Z';
const commit = 'a'.repeat(40);
const layers = ['site.yml', 'network.yml', 'users.yml'].map((playbook) => ({
  ...{ cloneUrl: 'https://git/a.git', playbook, commit },
}));
const limits = { now: LATER, maxSeconds: 3600 };
const sending = { at: NOW, batchSize: 1_000 };
const counts = { ok: 1, changed: 0, failed: 0, skipped: 0, unreachable: 0 };
const success: BatchResult = { kind: 'success' };
const failure: BatchResult = { kind: 'failure', cause: 'configuration' };

async function saveConfiguration(store: Store, name = 'compute'): Promise<void> {
  await store.configurations.save({ name, lastUpdated: at(0), layers });
}

/** Reports of the first `count` layers. */
function report(status: LayerReport['status'], count = 1, sessionName = 's'): LayerReport[] {
  return layers.slice(0, count).map((layer) => ({ ...layer, sessionName, status }));
}

function waiting(id: string, more: Partial<ComponentPut> = {}): ComponentPut {
  return { id, enabled: true, desiredConfig: 'compute', ...more };
}

async function put(store: Store, ...components: readonly ComponentPut[]): Promise<void> {
  await store.components.put(components, NOW, () => undefined);
}

/** Collects page by page, as the batcher does. Returns how many components found a place. */
async function collect(store: Store, batchSize = 25, limit = 1000): Promise<number> {
  let collected = 0;
  for (let afterId: string | undefined; ;) {
    const page = { limit, ...(afterId === undefined ? {} : { afterId }) };
    const result = await store.batches.collect({ at: NOW, batchSize, page });
    collected += result.collected;
    if (result.lastId === undefined) return collected;
    afterId = result.lastId;
  }
}

async function listBatches(store: Store) {
  return (await store.batches.list({ limit: 1000 })).items;
}

async function readMembers(store: Store): Promise<readonly string[]> {
  const batches = await listBatches(store);
  const members = await store.batches.members(batches.map(({ id }) => id));
  return batches.map(({ id }) => (members.get(id) ?? []).join(' ')).sort();
}

/** Sends one batch of these components. Returns its id and the name of its session. */
async function sendOne(store: Store, ...components: readonly ComponentPut[]) {
  await saveConfiguration(store);
  await put(store, ...components);
  await collect(store);
  const [batch] = await listBatches(store);
  const id = batch?.id ?? '';
  return { id, name: (await send(store, id)) ?? '' };
}

/** Lets the playbooks of the batch's session end with 0: layer → the hosts that a play was for. */
async function play(
  store: Store,
  id: string,
  hosts: Readonly<Record<number, readonly string[]>>,
  { isRecorded = true, ...more }: Partial<HostResults> & { readonly isRecorded?: boolean } = {},
): Promise<void> {
  const jobId = (await listBatches(store)).find((batch) => batch.id === id)?.jobId ?? '';
  const names = Object.keys(hosts).map((layer) => `ansible-${layer}`);
  await store.phases.savePlan(jobId, [
    { name: 'inventory', kind: 'inventory', title: 'inventory' },
    ...names.map((name) => ({ name, kind: 'ansible' as const, title: name })),
  ]);
  for (const [index, some] of Object.values(hosts).entries()) {
    const name = names[index] ?? '';
    const results = some.map((host) => ({ ...counts, host, incomplete: false }));
    const told = { sequence: 1, final: true, hosts: results, ...more };
    await store.hosts.save(jobId, name, isRecorded ? { ...told, recordedAt: NOW } : told);
    const exitCode = more.hosts === undefined ? 0 : 2;
    const times = { startedAt: NOW, endedAt: NOW };
    await store.phases.seal(jobId, name, { kind: 'exited', exitCode, ...times }, NOW);
  }
}

/** Plans a clone for the first batch's session, and lets it end with this code, or not begin. */
async function clone(store: Store, exitCode?: number): Promise<void> {
  const jobId = (await listBatches(store))[0]?.jobId ?? '';
  const name = 'git-clone-1';
  await store.phases.savePlan(jobId, [{ name, kind: 'git-clone', title: name }]);
  if (exitCode === undefined) return;
  const times = { startedAt: NOW, endedAt: NOW };
  await store.phases.seal(jobId, name, { kind: 'exited', exitCode, ...times }, NOW);
}

/** Returns the name of the session. */
async function send(store: Store, id = ''): Promise<string | undefined> {
  return (await store.batches.send([id], sending)).sent.get(id)?.session;
}

async function stateOf(store: Store, id: string) {
  const view = await store.components.find(id);
  return {
    errors: view?.component.errorCount ?? 0,
    layers: view?.desiredState.map(({ status }) => status).join(' '),
    reports: view?.component.state.map(({ status }) => status).join(' '),
  };
}

export function batchContract(stores: () => Stores): void {
  describe('batches.collect', () => {
    test('takes what is enabled, pending and in no batch, kind by kind', async () => {
      const { store } = stores();
      await saveConfiguration(store);
      await saveConfiguration(store, 'login');
      await put(
        store,
        waiting('fresh1'),
        waiting('fresh2'),
        waiting('other', { desiredConfig: 'login' }),
        waiting('half', { state: report('applied', 2) }),
        waiting('failed', { state: report('failed'), errorCount: 1 }),
        waiting('off', { enabled: false }),
        waiting('done', { state: report('applied', 3) }),
        waiting('given-up', { state: report('failed'), errorCount: 3 }),
        waiting('dangling', { desiredConfig: 'nothing' }),
      );
      expect(await collect(store)).toBe(5);
      expect(await collect(store)).toBe(0);
      expect(await readMembers(store)).toEqual(['failed', 'fresh1 fresh2', 'half', 'other']);
      expect((await listBatches(store)).map(({ layers: text }) => text).sort()).toEqual([
        ...['0,1,2', '0,1,2', '0,1,2', '2'],
      ]);
    });

    test('leaves out what is not the name of a host', async () => {
      const { store } = stores();
      await saveConfiguration(store);
      await put(store, waiting('all'), waiting('x1'), waiting('x2,x3'));
      const request = { at: NOW, batchSize: 25, page: { limit: 1000 } };
      expect(await store.batches.collect(request)).toEqual({
        ...{ collected: 1, leftOut: ['all', 'x2,x3'] },
      });
      expect(await readMembers(store)).toEqual(['x1']);
    });

    test('fills an open batch before it opens another, and none beyond its size', async () => {
      const { store } = stores();
      await saveConfiguration(store);
      await put(store, ...count(5, 'a'));
      await collect(store, 4);
      await put(store, ...count(6, 'b'));
      await collect(store, 4);
      expect((await listBatches(store)).map(({ size }) => size).sort()).toEqual([3, 4, 4]);
    });

    test('puts no component into two batches, however many collect at once, in pages of any size', async () => {
      const { store, other } = stores();
      await saveConfiguration(store);
      await put(store, ...count(300, 'n'));
      const collected = await Promise.all([
        ...[store, other].map((one) => collect(one, 7, 100)),
        ...[other, store].map((one) => collect(one, 7, 33)),
      ]);
      expect(collected.reduce((total, some) => total + some, 0)).toBe(300);
      const batches = await listBatches(store);
      const members = await store.batches.members(batches.map(({ id }) => id));
      expect(batches.every(({ id, size }) => size <= 7 && members.get(id)?.length === size)).toBe(
        true,
      );
      expect(new Set([...members.values()].flat()).size).toBe(300);
    });
  });

  describe('batches.listDue', () => {
    test('has those that are full or old', async () => {
      const { store } = stores();
      await saveConfiguration(store);
      await put(store, ...count(5, 'a'));
      await collect(store, 3);
      const due = (openedUntil: string, now = LATER) =>
        store.batches.listDue({ batchSize: 3, openedUntil, now });
      expect((await due('2026-01-02T03:04:04.999Z')).map(({ size }) => size)).toEqual([3]);
      expect((await due(NOW)).map(({ size }) => size).sort()).toEqual([2, 3]);
      const before = '2026-01-02T03:04:04.999Z';
      expect((await due(before, before)).map(({ size }) => size).sort()).toEqual([2, 3]);
    });

    test('takes every size that the option may have, like `collect`', async () => {
      const { store } = stores();
      const batchSize = Number.MAX_SAFE_INTEGER;
      await saveConfiguration(store);
      await put(store, ...count(2, 'a'));
      await collect(store, batchSize);
      await put(store, ...count(5, 'b'));
      await collect(store, batchSize);
      const due = await store.batches.listDue({ batchSize, openedUntil: NOW, now: NOW });
      expect(due.map(({ size }) => size)).toEqual([7]);
    });
  });

  describe('batches.send', () => {
    test('creates the session for what still waits, with the tags that all have in common', async () => {
      const { store } = stores();
      await saveConfiguration(store);
      await put(
        store,
        waiting('a', { tags: { bos_session: 'b', rack: '1' }, state: report('applied') }),
        waiting('b', { tags: { bos_session: 'b', rack: '2' }, state: report('applied') }),
        ...['deleted', 'disabled', 'configured', 'fresh'].map((id) =>
          waiting(id, { state: report('applied') }),
        ),
      );
      await collect(store);
      await store.components.remove('deleted');
      await put(
        store,
        waiting('disabled', { enabled: false, state: report('applied') }),
        waiting('configured', { state: report('applied', 3) }),
        waiting('fresh'),
      );
      const [batch] = await listBatches(store);
      const name = await send(store, batch?.id);
      const session = await store.sessions.find(name ?? '');
      expect(name).toMatch(/^batcher-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      expect(session).toMatchObject({ state: 'pending', desired: 'run', dispatched: 'none' });
      expect(session?.request).toMatchObject({
        ...{ configurationName: 'compute', configurationLimit: '1,2', ansibleLimit: 'a,b' },
        limitNamesHosts: true,
        ...{ tags: { bos_session: 'b' }, target: { definition: 'dynamic' } },
      });
      expect((await listBatches(store))[0]).toMatchObject({
        ...{ state: 'sent', size: 2, sentAt: NOW, jobId: session?.jobId, sessionName: name },
      });
      expect(await collect(store)).toBe(1);
    });

    test('sends once, however many try', async () => {
      const { store, other } = stores();
      await saveConfiguration(store);
      await put(store, ...count(3, 'a'));
      await collect(store);
      const [batch] = await listBatches(store);
      const names = await Promise.all(
        [store, other, store, other].map((one) => send(one, batch?.id)),
      );
      expect(names.filter((name) => name !== undefined)).toHaveLength(1);
      expect((await store.sessions.list({}, { limit: 10 })).items).toHaveLength(1);
    });

    test('frees what is more than a batch may have', async () => {
      const { store } = stores();
      await saveConfiguration(store);
      await put(store, ...count(5, 'n'));
      await collect(store);
      const [open] = await listBatches(store);
      await store.batches.send([open?.id ?? ''], { ...sending, batchSize: 2 });
      expect(await readMembers(store)).toEqual(['n0 n1']);
      expect(await listBatches(store)).toMatchObject([{ state: 'sent', size: 2 }]);
      expect(await collect(store)).toBe(3);
    });

    test('frees what is more than a limit may name', async () => {
      const { store } = stores();
      await saveConfiguration(store);
      const ids = Array.from({ length: 251 }, (_, n) => `n${n + 100}-`.padEnd(2_000, 'x'));
      await put(store, ...ids.map((id) => waiting(id)));
      await collect(store, 1_000);
      const [open] = await listBatches(store);
      await send(store, open?.id);
      expect(await listBatches(store)).toMatchObject([{ state: 'sent', size: 249 }]);
      const [session] = await listWhole(store, {}, { limit: 1 });
      expect(session?.request.ansibleLimit).toBe(ids.slice(0, 249).join(','));
      expect(await collect(store, 1_000)).toBe(2);
    });

    test('sends each of many once, whoever else sends some of them', async () => {
      const { store, other } = stores();
      await saveConfiguration(store);
      await put(store, ...count(60, 'n'));
      await collect(store, 3);
      const ids = (await listBatches(store)).map(({ id }) => id);
      const sendings = await Promise.all(
        [ids, ids.slice(5), [...ids].reverse(), ids.slice(0, 15)].map((some, index) =>
          (index % 2 === 0 ? store : other).batches.send(some, sending),
        ),
      );
      const names = sendings.flatMap(({ sent }) =>
        [...sent.values()].map(({ session }) => session),
      );
      expect(names).toHaveLength(20);
      const items = await listWhole(store, {}, { limit: 100 });
      expect(items.map(({ name }) => name)).toEqual([...names].sort());
      const hosts = items.flatMap(({ request }) => (request.ansibleLimit ?? '').split(','));
      expect(new Set(hosts).size).toBe(60);
      expect(hosts).toHaveLength(60);
    });

    test('gives up a batch whose session name is taken, or whose configuration is gone, and no other', async () => {
      const { store } = stores();
      await saveConfiguration(store);
      await saveConfiguration(store, 'gone');
      await saveConfiguration(store, 'login');
      await put(
        store,
        waiting('a'),
        waiting('b', { desiredConfig: 'gone' }),
        waiting('c', { desiredConfig: 'login' }),
      );
      await collect(store);
      const batches = await listBatches(store);
      const ids = batches.map(({ id }) => id);
      const idOf = (name: string) =>
        batches.find(({ configurationName }) => configurationName === name)?.id ?? '';
      const taken = toBatchSession(await store.deploymentId(), idOf('login'));
      await store.sessions.insert(aNewSession(taken));
      await put(store, waiting('b', { desiredConfig: 'nothing' }));
      await store.configurations.remove('gone');

      const { sent, refused } = await store.batches.send(ids, sending);

      expect([...sent.keys()]).toEqual([idOf('compute')]);
      expect([...refused]).toEqual([[idOf('login'), taken]]);
      const states = (await listBatches(store)).map(({ id, state, result }) => [id, state, result]);
      expect(new Map(states.map(([id, ...rest]) => [id, rest]))).toEqual(
        new Map([
          [idOf('compute'), ['sent', undefined]],
          [idOf('login'), ['finished', 'released']],
        ]),
      );
      expect(await collect(store)).toBe(1);
    });

    test('leaves nothing of a batch that nobody needs any more', async () => {
      const { store } = stores();
      await saveConfiguration(store);
      await put(store, waiting('a'));
      await collect(store);
      const [batch] = await listBatches(store);
      await store.components.remove('a');
      expect(await send(store, batch?.id)).toBeUndefined();
      expect(await listBatches(store)).toEqual([]);
      expect((await store.sessions.list({}, { limit: 10 })).items).toEqual([]);
    });
  });

  describe('batches.finish', () => {
    test('skips what is pending after a success, and frees all', async () => {
      const { store } = stores();
      const { id } = await sendOne(
        store,
        waiting('a', { state: report('applied') }),
        waiting('b', { state: report('applied') }),
      );
      await play(store, id, { 1: ['c'], 2: [] });
      expect(await store.batches.finish([{ id, result: success }], limits)).toEqual([id]);
      expect(await stateOf(store, 'a')).toEqual({
        ...{ errors: 0, reports: 'applied skipped skipped' },
        layers: 'configured configured configured',
      });
      expect(await readMembers(store)).toEqual(['']);
      expect(await store.batches.finish([{ id, result: success }], limits)).toEqual([]);
    });

    test('skips nothing that may have run, or that the session was not sent for', async () => {
      const { store } = stores();
      const state = report('applied');
      const boots = [waiting('late', { state }), waiting('early', { state })];
      const { id, name } = await sendOne(store, ...boots, waiting('other', { state }));
      await play(store, id, { 1: ['early', 'late'], 2: ['late'] });
      const made = layers.slice(1).map((layer) => ({
        ...{ ...layer, sessionName: name, status: 'applied' as const },
      }));
      // Both nodes boot, one after the last playbook and one before it. A node that boots empties its state.
      const patches = [
        { id: 'late', state: [] },
        { id: 'early', state: made.slice(1) },
      ];
      await store.components.patch(patches, NOW, () => undefined);
      await store.batches.finish([{ id, result: success }], limits);
      const layersOf = async (node: string) => (await stateOf(store, node)).layers;
      expect(await layersOf('late')).toBe('pending pending pending');
      expect(await layersOf('early')).toBe('pending pending configured');
      expect(await layersOf('other')).toBe('configured configured configured');
      expect(await collect(store)).toBe(2);
    });

    test.each<[string, Partial<HostResults>]>([
      ['were lost', { final: false }],
      ['are those of changed files', { rerun: { count: 1, filesChanged: true, firstSequence: 1 } }],
    ])('skips no layer whose results %s', async (_what, more) => {
      const { store } = stores();
      const { id } = await sendOne(store, waiting('a'));
      await play(store, id, { 0: [], 1: [], 2: [] }, more);
      await store.batches.finish([{ id, result: success }], limits);
      expect(await stateOf(store, 'a')).toMatchObject({ reports: '' });
    });

    test('skips what ran if its results are no state of components, as then nobody ever knows more', async () => {
      const { store } = stores();
      const { id } = await sendOne(store, waiting('a'));
      await play(store, id, { 0: ['a'], 1: ['a'], 2: [] }, { isRecorded: false });
      await store.batches.finish([{ id, result: success }], limits);
      expect(await stateOf(store, 'a')).toMatchObject({ reports: 'skipped skipped skipped' });
      expect(await collect(store)).toBe(0);
    });

    test.each([success, failure])(
      'counts as failed what the inventory does not have, whatever the others did: %j',
      async (result) => {
        const { store } = stores();
        const { id } = await sendOne(store, waiting('a'), waiting('b'));
        await play(store, id, { 0: ['a'], 1: [], 2: [] });
        const jobId = (await listBatches(store))[0]?.jobId ?? '';
        const missing = { ...counts, ok: 0, host: 'b', incomplete: false };
        const report = { sequence: 1, final: true, hosts: [missing] };
        await store.hosts.save(jobId, 'inventory', report);
        await store.batches.finish([{ id, result }], limits);
        expect(await stateOf(store, 'b')).toMatchObject({ errors: 1, reports: 'failed' });
      },
    );

    test('skips after a failure the layers that were over and had no play', async () => {
      const { store } = stores();
      const { id } = await sendOne(store, waiting('a'), waiting('b'));
      await play(store, id, { 0: ['a'] });
      await store.batches.finish([{ id, result: failure }], limits);
      expect(await stateOf(store, 'b')).toEqual({
        ...{ errors: 1, reports: 'skipped failed', layers: 'configured pending pending' },
      });
    });

    test('counts a failure that no host reported, at the first pending layer', async () => {
      const { store } = stores();
      const { id } = await sendOne(store, waiting('a', { state: report('applied') }));
      await store.batches.finish([{ id, result: failure, reason: 'PLAYBOOK_ERROR' }], limits);
      expect(await stateOf(store, 'a')).toEqual({
        ...{ errors: 1, reports: 'applied failed' },
        layers: 'configured pending pending',
      });
      expect(await collect(store)).toBe(1);
    });

    test.each([
      ['a git server is away when a repository is cloned', [74], 0],
      ['it is away when a branch is looked up', undefined, 0],
      ['the credentials of a source cannot be read at the launch', [], 0],
      ['it refuses a clone', [70], 1],
    ])('if %s (exit code %p), counts %i errors', async (_what, exitCodes, errors) => {
      const { store } = stores();
      const { id } = await sendOne(store, waiting('a'));
      if (exitCodes !== undefined) await clone(store, exitCodes[0]);
      await store.batches.finish([{ id, result: failure, reason: 'GIT_CLONE' }], limits);
      expect(await stateOf(store, 'a')).toMatchObject({
        ...{ errors, reports: errors === 0 ? '' : 'failed' },
      });
      expect(await store.batches.causes()).toMatchObject([{ results: [false] }]);
      expect(await collect(store)).toBe(1);
    });

    test('counts no error if Ansible could not use the inventory', async () => {
      const { store } = stores();
      const { id } = await sendOne(store, waiting('a'));
      await store.batches.finish([{ id, result: failure, reason: 'INVENTORY' }], limits);
      expect(await stateOf(store, 'a')).toMatchObject({ errors: 0, reports: '' });
      expect(await store.batches.causes()).toMatchObject([{ results: [false] }]);
      expect(await collect(store)).toBe(1);
    });

    test('leaves a failure as Ansible reported it', async () => {
      const { store } = stores();
      const { id, name } = await sendOne(store, waiting('a'), waiting('b'));
      const [failed] = report('failed', 1, name);
      const patch = { id: 'a', errorCount: 1, stateAppend: failed === undefined ? [] : [failed] };
      await store.components.patch([patch], NOW, () => undefined);
      await store.batches.finish([{ id, result: failure }], limits);
      expect(await stateOf(store, 'a')).toMatchObject({ errors: 1, reports: 'failed' });
      expect(await stateOf(store, 'b')).toMatchObject({ errors: 0, reports: '' });
    });

    test('blames no node for the failure of another that is gone, or that has booted', async () => {
      const { store } = stores();
      const { id } = await sendOne(store, waiting('a'), waiting('b'));
      const failed = { ...counts, host: 'a', failed: 1, incomplete: false };
      await play(store, id, { 0: [] }, { hosts: [failed] });
      await store.components.remove('a');
      await store.batches.finish([{ id, result: failure }], limits);
      expect(await stateOf(store, 'b')).toMatchObject({ errors: 0, reports: '' });
    });

    test('counts a failure that a host reported, but not as state of its component', async () => {
      const { store } = stores();
      const { id } = await sendOne(store, waiting('a'), waiting('b'));
      const failed = { ...counts, host: 'a', failed: 1, incomplete: false };
      await play(store, id, { 0: [] }, { hosts: [failed], isRecorded: false });
      await store.batches.finish([{ id, result: failure }], limits);
      expect(await stateOf(store, 'a')).toMatchObject({ errors: 1, reports: 'failed' });
    });

    test('counts no failure at a layer that the session was not sent for', async () => {
      const { store } = stores();
      const { id } = await sendOne(store, waiting('a', { state: report('applied', 2) }));
      await store.components.patch([{ id: 'a', state: [] }], NOW, () => undefined);
      await store.batches.finish([{ id, result: failure }], limits);
      expect(await stateOf(store, 'a')).toMatchObject({
        ...{ errors: 1, layers: 'pending pending pending', reports: 'failed' },
      });
      expect((await store.components.find('a'))?.component.state[0]?.playbook).toBe('users.yml');
    });

    test.each<[string, BatchResult]>([
      ['the platform was not able to', { kind: 'failure', cause: 'platform' }],
      ['its session was deleted', { kind: 'released' }],
    ])('changes no component where %s', async (_what, result) => {
      const { store } = stores();
      const { id } = await sendOne(store, waiting('a'));
      await store.batches.finish([{ id, result }], limits);
      expect(await stateOf(store, 'a')).toMatchObject({ errors: 0, reports: '' });
      expect(await collect(store)).toBe(1);
    });

    test('changes no component that wants something else by now', async () => {
      const { store } = stores();
      const { id } = await sendOne(store, waiting('a'), waiting('b'));
      const moved = layers.map((layer) => ({ ...layer, commit: 'b'.repeat(40) }));
      await store.configurations.save({ name: 'login', lastUpdated: at(1), layers: moved });
      await put(store, waiting('a', { desiredConfig: 'login' }));
      await play(store, id, { 0: [], 1: [], 2: [] });
      await store.batches.finish([{ id, result: success }], limits);
      expect(await stateOf(store, 'a')).toMatchObject({ reports: '' });
      expect(await stateOf(store, 'b')).toMatchObject({ reports: 'skipped skipped skipped' });
    });

    test('changes no component whose configuration has moved on', async () => {
      const { store } = stores();
      const { id } = await sendOne(store, waiting('a'));
      const moved = layers.map((layer) => ({ ...layer, commit: 'b'.repeat(40) }));
      await store.configurations.save({ name: 'compute', lastUpdated: at(1), layers: moved });
      await play(store, id, { 0: [], 1: [], 2: [] });
      await store.batches.finish([{ id, result: success }], limits);
      expect(await stateOf(store, 'a')).toMatchObject({ reports: '' });
    });

    test('ends many together, each in its own way, and counts the results of a cause in their order', async () => {
      const { store, other } = stores();
      await saveConfiguration(store);
      await saveConfiguration(store, 'login');
      const kinds = ['good', 'bad', 'down', 'gone'];
      await put(
        store,
        ...kinds.map((id) => waiting(id, id === 'bad' ? { desiredConfig: 'login' } : {})),
      );
      await collect(store, 1);
      const ids = (await listBatches(store)).map(({ id }) => id);
      await store.batches.send(ids, sending);
      const members = await store.batches.members(ids);
      const idOf = (kind: string) => ids.find((id) => members.get(id)?.[0] === kind) ?? '';
      await other.batches.finish([{ id: idOf('gone'), result: { kind: 'released' } }], limits);
      const results: Readonly<Record<string, BatchResult>> = {
        ...{ down: { kind: 'failure', cause: 'platform' }, bad: failure, good: success },
        gone: success,
      };
      const ends = Object.entries(results).map(([kind, result]) => ({ id: idOf(kind), result }));
      await play(store, idOf('good'), { 0: [], 1: [], 2: [] });

      const ended = await store.batches.finish(ends, limits);

      expect(ended).toEqual(['down', 'bad', 'good'].map(idOf));
      expect(await store.batches.causes()).toEqual([
        { cause: toConfigurationCause('login'), results: [false], seconds: 0 },
      ]);
      expect(
        await Promise.all(kinds.map(async (id) => (await stateOf(store, id)).reports)),
      ).toEqual(['skipped skipped skipped', 'failed', '', '']);
      expect(await readMembers(store)).toEqual(['', '', '', '']);
      const kept = (await listBatches(store)).map(({ id, result }) => [id, result]);
      expect(new Map(kept as [string, string][])).toEqual(
        new Map(
          kinds.map((kind, i) => [idOf(kind), ['success', 'failure', 'failure', 'released'][i]]),
        ),
      );
    });

    test('notes failures by their cause, until a success', async () => {
      const { store } = stores();
      const first = await sendOne(store, waiting('a'));
      await store.batches.finish([{ id: first.id, result: failure }], limits);
      expect(await store.batches.causes()).toEqual([
        { cause: toConfigurationCause('compute'), results: [false], seconds: 0 },
      ]);
      const again = async (result: BatchResult) => {
        await collect(store);
        const open = (await listBatches(store)).find(({ state }) => state === 'open');
        await send(store, open?.id);
        await store.batches.finish([{ id: open?.id ?? '', result }], limits);
      };
      await again({ kind: 'failure', cause: 'platform' });
      expect(await store.batches.causes()).toContainEqual({
        ...{ cause: PLATFORM, results: [false], seconds: 60, until: '2026-01-02T04:01:00.000Z' },
      });
      await again(success);
      expect(await store.batches.causes()).toEqual([]);
    });
  });

  describe('batches that end at the same time', () => {
    test('each count for their cause', async () => {
      const { store, other } = stores();
      await saveConfiguration(store);
      await put(store, ...count(8, 'n'));
      await collect(store, 1);
      const batches = await listBatches(store);
      await store.batches.send(
        batches.map(({ id }) => id),
        sending,
      );
      await Promise.all(
        batches.map(({ id }, index) =>
          (index % 2 === 0 ? store : other).batches.finish([{ id, result: failure }], limits),
        ),
      );
      const [cause] = await store.batches.causes();
      expect(cause?.results).toHaveLength(8);
    });
  });

  describe('batches.listSent', () => {
    test('has each with its session, deleted or not there at all', async () => {
      const { store } = stores();
      const { id, name } = await sendOne(store, waiting('a'));
      const read = async () => (await store.batches.listSent(10)).items[0];
      expect(await read()).toMatchObject({ batch: { id }, session: { name, state: 'pending' } });
      await store.sessions.requestDelete(name, { at: LATER });
      expect(await read()).toMatchObject({ batch: { id }, session: { deletedAt: LATER } });
      expect((await store.batches.listSent(10, id)).items).toEqual([]);
    });
  });

  describe('batches.findOutside', () => {
    test('tells sessions of another batcher apart from our own and from all others', async () => {
      const { store } = stores();
      const ours = toBatchPrefix(await store.deploymentId());
      const find = (since = at(0), until = LATER) =>
        store.batches.findOutside(ours, { since, until });
      await sendOne(store, waiting('a'));
      await store.sessions.insert(aNewSession('batcherx'));
      await store.sessions.insert(aNewSession('my-batcher-1'));
      await store.sessions.insert(aNewSession('batcher-look'));
      expect(await find()).toBeUndefined();
      const outside = 'batcher-00000000-0000-4000-8000-000000000000';
      await store.sessions.insert(aNewSession(outside));
      expect(await find()).toBe(outside);
      await store.sessions.requestCancel(outside, { at: LATER });
      expect(await find('2036-01-01T00:00:00.000Z', '2036-01-02T00:00:00.000Z')).toBeUndefined();
      expect(await find('2016-01-01T00:00:00.000Z', '2016-01-02T00:00:00.000Z')).toBeUndefined();
    });
  });

  describe('batches.removeFinished', () => {
    test('removes what ended long ago', async () => {
      const { store } = stores();
      const { id } = await sendOne(store, waiting('a'));
      await store.batches.removeFinished(LATER);
      await store.batches.finish([{ id, result: success }], limits);
      await store.batches.removeFinished(NOW);
      expect(await listBatches(store)).toHaveLength(1);
      await store.batches.removeFinished(LATER);
      expect(await listBatches(store)).toEqual([]);
    });
  });

  describe('batches.noteCycle', () => {
    test('keeps the last one', async () => {
      const { store } = stores();
      const cycle = { cycleAt: NOW, seconds: 0.5, collected: 1, sent: 2, finished: 3 };
      expect(await store.batches.status()).toBeUndefined();
      await store.batches.noteCycle(cycle);
      await store.batches.noteCycle({ ...cycle, halted: 'why' });
      expect(await store.batches.status()).toEqual({ ...cycle, halted: 'why' });
    });
  });
}

function count(amount: number, prefix: string): readonly ComponentPut[] {
  return Array.from({ length: amount }, (_, index) => waiting(`${prefix}${index}`));
}
