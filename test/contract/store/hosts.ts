import { describe, expect, test } from '@jest/globals';
import type { HostResult } from '../../../src/core/job.js';
import type { Store } from '../../../src/store/store.js';
import { aLayer, aRepository, aSnapshot } from '../../support/session-builders.js';
import { addPlannedSession, aNewSession, at, count } from '../../support/store-builders.js';
import type { Stores } from '../store-contract.js';

const PHASE = 'ansible-0';
type Reported = Omit<HostResult, 'phase'>;

function aHost(host: string, result: Partial<Reported> = {}): Reported {
  return {
    host,
    ok: 0,
    changed: 0,
    failed: 0,
    skipped: 0,
    unreachable: 0,
    incomplete: false,
    ...result,
  };
}

export function hostContract(stores: () => Stores): void {
  changeContract(stores);
  totalContract(stores);
  describe('hosts.save', () => {
    test('replaces a result only by one of a higher sequence', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      const save = (sequence: number, ok: number) =>
        store.hosts.save(jobId, PHASE, { sequence, final: false, hosts: [aHost('n1', { ok })] });
      await save(2, 20);
      await save(1, 10);
      await save(2, 21);
      expect(await list(store, jobId)).toMatchObject([{ host: 'n1', ok: 20 }]);

      await save(3, 30);

      expect(await list(store, jobId)).toMatchObject([{ host: 'n1', ok: 30 }]);
    });

    test('keeps everything reported, and clears what a later report lacks', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      const bad = { failed: 1, unreachable: 1, skipped: 1, changed: 1, incomplete: true };
      const failed = aHost('n1', { ...bad, task: 'do', message: 'no' });
      await store.hosts.save(jobId, PHASE, { sequence: 1, final: false, hosts: [failed] });
      expect(await list(store, jobId)).toEqual([{ phase: PHASE, ...failed }]);

      await store.hosts.save(jobId, PHASE, {
        sequence: 2,
        final: true,
        hosts: [aHost('n1', { ok: 2 })],
      });

      expect(await list(store, jobId)).toEqual([{ phase: PHASE, ...aHost('n1', { ok: 2 }) }]);
    });

    test('notes that the last report has come', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      const save = (sequence: number, final: boolean) =>
        store.hosts.save(jobId, PHASE, { sequence, final, hosts: [] });
      await save(1, false);
      expect((await store.phases.find(jobId, PHASE))?.hostsFinal).toBe(false);

      await save(3, true);
      await save(2, false);

      expect((await store.phases.find(jobId, PHASE))?.hostsFinal).toBe(true);
    });

    test('notes with the final report whether Ansible did not break off', async () => {
      const { store } = stores();
      for (const [name, whole] of [
        ['a', true],
        ['b', false],
      ] as const) {
        const jobId = await addPlannedSession(store, name);
        const last = { final: true, hosts: [] };
        await store.hosts.save(jobId, PHASE, { sequence: 1, final: false, hosts: [] });
        expect((await store.phases.find(jobId, PHASE))?.hostsWhole).toBeUndefined();
        await store.hosts.save(jobId, PHASE, { sequence: 2, ...last, ...(whole && { whole }) });
        await store.hosts.save(jobId, PHASE, { sequence: 3, ...last, whole: !whole });
        const phase = await store.phases.find(jobId, PHASE);
        expect(phase?.hostsWhole ?? false).toBe(whole);
      }
    });

    test('keeps apart names that are too long for an index, and the hosts beside them', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      // Varied text, which no database can compress.
      const long = Array.from({ length: 700 }, (_, index) =>
        ((index + 1) * 2_654_435_761).toString(36),
      ).join('é');
      const [one, other] = [`${long}1`, `${long}2`];
      const hosts = [one, other, 'n1'].map((host) => aHost(host));
      await store.hosts.save(jobId, PHASE, { sequence: 1, final: true, hosts });
      await store.hosts.save(jobId, PHASE, { sequence: 2, final: true, hosts });

      const stored = (await list(store, jobId)).map(({ host }) => host);

      expect(stored).toHaveLength(3);
      expect(stored).toContain('n1');
      const cut = stored.filter((host) => host !== 'n1');
      expect(cut.map((host) => long.startsWith(host.slice(0, 800)))).toEqual([true, true]);
      expect(cut.map((host) => Buffer.byteLength(host) <= 1024)).toEqual([true, true]);
      const { items } = await store.hosts.list(jobId, { limit: 9, afterId: `${PHASE}/${cut[0]}` });
      expect(items.length).toBeLessThan(3);
    });

    test('is refused once sealed, and for a phase that does not exist', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      await store.phases.seal(jobId, PHASE, { kind: 'killed', reason: 'stopped' }, at(9));
      const results = { sequence: 1, final: true, hosts: [aHost('n1')] };

      const saves = [
        store.hosts.save(jobId, PHASE, results),
        store.hosts.save(jobId, 'x', results),
      ];

      expect(await count(saves)).toEqual({ gone: 1, missing: 1 });
      expect(await list(store, jobId)).toEqual([]);
    });
  });

  describe('hosts.save of a rerun', () => {
    const rerun = (number: number, filesChanged = false) => ({
      rerun: { count: number, filesChanged, firstSequence: number * 10 },
    });

    test('removes the results of earlier runs, and takes no more of them', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      const save = (sequence: number, results: object) =>
        store.hosts.save(jobId, PHASE, { sequence, final: false, hosts: [], ...results });
      await save(1, { hosts: [aHost('n1', { failed: 1 }), aHost('n2', { ok: 1 })] });

      await save(10, rerun(1));
      expect(await list(store, jobId)).toEqual([]);
      await save(2, { hosts: [aHost('n1', { failed: 2 })] });
      await save(11, { ...rerun(1), hosts: [aHost('n2', { ok: 2 })] });
      await save(10, rerun(1));

      expect(await list(store, jobId)).toMatchObject([{ host: 'n2', ok: 2 }]);
      expect(await store.phases.find(jobId, PHASE)).toMatchObject({ reruns: 1 });
    });

    test('counts the runs, and says whether the last one had other files', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      const save = (sequence: number, results: object) =>
        store.hosts.save(jobId, PHASE, { sequence, final: false, hosts: [], ...results });
      const told = async () => {
        const { reruns, filesChanged } = (await store.phases.find(jobId, PHASE)) ?? {};
        return [reruns, filesChanged];
      };
      expect(await told()).toEqual([undefined, undefined]);
      await save(10, rerun(1, true));
      expect(await told()).toEqual([1, true]);
      await save(20, rerun(2));
      expect(await told()).toEqual([2, undefined]);
      await save(11, rerun(1, true));
      expect(await told()).toEqual([2, undefined]);
      await save(21, { ...rerun(2), final: true, hosts: [aHost('n1')] });
      expect(await told()).toEqual([2, undefined]);
      expect(await list(store, jobId)).toHaveLength(1);
    });
  });

  describe('hosts.save with recordedAt', () => {
    const save = (store: Store, jobId: string, sequence: number, results: object) =>
      store.hosts.save(jobId, PHASE, { sequence, final: true, hosts: [], ...results });
    const begin = async (store: Store, snapshot = aSnapshot()) => {
      const jobId = await addPlannedSession(store);
      await store.sessions.saveSnapshot(jobId, snapshot);
      const ids = ['n1', 'n2', 'n3', 'n4'];
      const put = ids.map((id) => ({ id, errorCount: 1, desiredConfig: 'c' }));
      await store.components.put(put, at(0), ({ id }) => id);
      return jobId;
    };
    const states = async (store: Store) =>
      (await store.components.list({}, { limit: 9 })).items.map(
        ({ component: { state, errorCount } }) => [state.map(({ status }) => status), errorCount],
      );

    test('turns all results of the phase into state, once, when the final ones come', async () => {
      const { store, other } = stores();
      const jobId = await begin(store);
      const early = [aHost('n1', { ok: 1 }), aHost('n2', { failed: 1 }), aHost('unknown')];
      await save(store, jobId, 1, { final: false, recordedAt: at(5), hosts: early });
      expect((await states(store))[0]).toEqual([[], 1]);

      const hosts = [aHost('n3', { incomplete: true })];
      const saves = [store, other, store, other].map((one, index) =>
        save(one, jobId, 2 + index, { recordedAt: at(5 + index), hosts }),
      );
      await Promise.all(saves);
      expect(await states(store)).toEqual([
        [['applied'], 0],
        [['failed'], 2],
        [['incomplete'], 1],
        [[], 1],
      ]);
      const { url: cloneUrl, commit } = aRepository('layer0');
      expect((await store.components.find('n2'))?.component.state).toMatchObject([
        { cloneUrl, commit, playbook: 'site.yml', sessionName: 'a' },
      ]);
    });

    test('leaves results of other phases to these', async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      const names = ['ansible-0', 'ansible-1'];
      const plan = names.map((name) => ({ name, kind: 'ansible', title: name }) as const);
      await store.phases.savePlan(jobId, plan);
      const layers = [aLayer({ index: 0 }), aLayer({ index: 1 })];
      await store.sessions.saveSnapshot(jobId, aSnapshot({ layers }));
      const put = ['n1', 'n2'].map((id) => ({ id }));
      await store.components.put(put, at(0), ({ id }) => id);
      const saveOf = (phase: string, host: string) =>
        store.hosts.save(jobId, phase, {
          ...{ sequence: 1, final: true, recordedAt: at(5), hosts: [aHost(host, { ok: 1 })] },
        });
      await saveOf('ansible-0', 'n1');
      await saveOf('ansible-1', 'n2');
      const urls = async (id: string) =>
        (await store.components.find(id))?.component.state.map(({ cloneUrl }) => cloneUrl);
      expect(await urls('n1')).toEqual([aRepository('layer0').url]);
      expect(await urls('n2')).toEqual([aRepository('layer1').url]);
    });

    test('counts the layer as incomplete where the files were not those of the commit', async () => {
      const { store } = stores();
      const jobId = await begin(store);
      const hosts = [aHost('n1', { ok: 1 }), aHost('n2', { failed: 1 })];
      await save(store, jobId, 1, { recordedAt: at(5), incompleteState: true, hosts });
      expect(await states(store)).toEqual([
        [['incomplete'], 1],
        [['failed'], 2],
        [[], 1],
        [[], 1],
      ]);
      expect(await list(store, jobId)).toMatchObject([{ incomplete: false }, { failed: 1 }]);
    });

    test('counts the layer as incomplete where the commit is a guess', async () => {
      const { store } = stores();
      const jobId = await begin(store, aSnapshot({ isGuess: true }));
      const hosts = [aHost('n1', { ok: 1 }), aHost('n2', { failed: 1 })];
      await save(store, jobId, 1, { recordedAt: at(5), hosts });
      expect((await states(store)).slice(0, 2)).toEqual([
        [['incomplete'], 1],
        [['failed'], 2],
      ]);
    });

    test('leaves components where it is not asked for', async () => {
      const { store } = stores();
      const jobId = await begin(store);
      await save(store, jobId, 1, { hosts: [aHost('n1', { ok: 1 })] });
      await save(store, jobId, 2, { recordedAt: at(5), hosts: [aHost('n1', { ok: 1 })] });
      expect((await states(store))[0]).toEqual([[], 1]);
    });

    test('of 2,100 hosts at once', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      await store.sessions.saveSnapshot(jobId, aSnapshot());
      const ids = Array.from({ length: 2_100 }, (_, index) => `n${index}`);
      await store.components.put(
        ids.map((id) => ({ id })),
        at(0),
        ({ id }) => id,
      );
      const hosts = ids.map((id) => aHost(id, { ok: 1 }));
      await save(store, jobId, 1, { recordedAt: at(5), hosts });
      const { items } = await store.components.list({}, { limit: 3_000 });
      expect(items.filter(({ component }) => component.state.length === 1)).toHaveLength(2_100);
    });
  });

  describe('hosts.list', () => {
    test('is in order of phases and hosts, page by page', async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      const phases = ['ansible-0', 'ansible-10', 'ansible-2'];
      await store.phases.savePlan(
        jobId,
        phases.map((name) => ({ name, kind: 'ansible', title: name })),
      );
      for (const phase of ['ansible-2', 'ansible-10', 'ansible-0']) {
        await store.hosts.save(jobId, phase, {
          sequence: 1,
          final: true,
          hosts: ['n2', 'n1', 'n10'].map((host) => aHost(host)),
        });
      }
      const page = async (request: Parameters<Store['hosts']['list']>[1]) => {
        const { items, hasMore } = await store.hosts.list(jobId, request);
        return [...items.map(({ phase, host }) => `${phase}/${host}`), hasMore];
      };

      expect(await page({ limit: 4 })).toEqual([
        'ansible-0/n1',
        'ansible-0/n10',
        'ansible-0/n2',
        'ansible-10/n1',
        true,
      ]);
      expect(await page({ limit: 4, afterId: 'ansible-10/n1' })).toEqual([
        'ansible-10/n10',
        'ansible-10/n2',
        'ansible-2/n1',
        'ansible-2/n10',
        true,
      ]);
      expect(await page({ limit: 4, afterId: 'ansible-2/n1x' })).toEqual(['ansible-2/n2', false]);
      expect(await page({ limit: 9, phase: 'ansible-10', afterId: 'ansible-10/n1' })).toEqual([
        'ansible-10/n10',
        'ansible-10/n2',
        false,
      ]);
      expect(await count([page({ limit: 4, afterId: 'nothing/n1' })])).toEqual({ invalid: 1 });
    });
  });

  describe('hosts.summarize', () => {
    test('counts those that ran a task or should have, and names the first that failed', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      const hosts = [
        aHost('n5', { failed: 1, task: 'five' }),
        aHost('n3', { failed: 2, task: 'three' }),
        aHost('n4', { unreachable: 1, message: 'no route' }),
        aHost('n2', { ok: 3 }),
        aHost('n1'),
      ];
      await store.hosts.save(jobId, PHASE, { sequence: 1, final: true, hosts });

      expect(await store.hosts.summarize(jobId, PHASE)).toEqual({
        hosts: 4,
        failedHosts: 2,
        unreachableHosts: 1,
        firstFailed: { phase: PHASE, ...aHost('n3', { failed: 2, task: 'three' }) },
        firstUnreachable: { phase: PHASE, ...aHost('n4', { unreachable: 1, message: 'no route' }) },
      });
      expect(await store.hosts.summarize(jobId, 'other')).toEqual({
        hosts: 0,
        failedHosts: 0,
        unreachableHosts: 0,
      });
    });

    test('takes 20,000 hosts in one report', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      const hosts = Array.from({ length: 20_000 }, (_, index) => aHost(`n${index}`, { ok: 1 }));

      await store.hosts.save(jobId, PHASE, { sequence: 1, final: true, hosts });

      expect((await store.hosts.summarize(jobId, PHASE)).hosts).toBe(20_000);
    });
  });
}

function changeContract(stores: () => Stores): void {
  describe('hosts.changes', () => {
    test('continues after a sequence, or after a host of it, and sees what changed again', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      const save = (sequence: number, ...names: string[]) =>
        store.hosts.save(jobId, PHASE, {
          sequence,
          final: false,
          hosts: names.map((name) => aHost(name, { ok: sequence })),
        });
      const read = async (sequence: number, host?: string) => {
        const after = { sequence, ...(host === undefined ? {} : { host }) };
        const { items, end, hasMore } = await store.hosts.changes(jobId, PHASE, after, 2);
        return [items.map((item) => item.host).join(' '), end, hasMore];
      };
      expect(await read(-1)).toEqual(['', undefined, false]);
      await save(1, 'n3', 'n1', 'n2');
      await save(Number.MAX_SAFE_INTEGER - 1, 'n4');

      expect(await read(-1)).toEqual(['n1 n2', { sequence: 1, host: 'n2' }, true]);
      const last = { sequence: Number.MAX_SAFE_INTEGER - 1, host: 'n4' };
      expect(await read(1, 'n2')).toEqual(['n3 n4', last, false]);
      expect(await read(1)).toEqual(['n4', last, false]);
      await save(Number.MAX_SAFE_INTEGER, 'n1');
      expect(await read(last.sequence)).toMatchObject(['n1', { host: 'n1' }, false]);
      const other = await store.hosts.changes(jobId, 'other', { sequence: -1 }, 2);
      expect(other).toEqual({ items: [], hasMore: false });
    });
  });
}

function totalContract(stores: () => Stores): void {
  describe('hosts.total and hosts.listFailed', () => {
    test('count each host of a session once, by the worst of its phases', async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      const phases = ['ansible-0', 'ansible-1'];
      await store.phases.savePlan(
        jobId,
        phases.map((name) => ({ name, kind: 'ansible', title: name })),
      );
      const save = (phase: string, ...hosts: readonly Reported[]) =>
        store.hosts.save(jobId, phase, { sequence: 1, final: true, hosts });
      await save('ansible-0', aHost('n1', { ok: 1, changed: 1 }), aHost('n2', { changed: 2 }));
      await save('ansible-0', aHost('n3', { ok: 1 }), aHost('n4', { ok: 1 }), aHost('n5'));
      await save('ansible-0', aHost('n6', { ok: 1 }));
      await save('ansible-1', aHost('n4', { unreachable: 1 }), aHost('n3', { ok: 1, failed: 2 }));
      await save('ansible-1', aHost('n1', { ok: 3 }), aHost('n6', { ok: 1, incomplete: true }));
      await save('ansible-1', aHost('n7', { skipped: 1 }));
      const { jobId: other } = await store.sessions.insert(aNewSession('b'));

      const worst = { failed: 1, unreachable: 1, incomplete: 1, changed: 2, ok: 1 };
      expect(await store.hosts.total(jobId)).toEqual({ hosts: 6, ...worst });
      expect(await store.hosts.total(other)).toMatchObject({ hosts: 0, failed: 0, ok: 0 });
      const failed = await store.hosts.listFailed(jobId, 9);
      expect(failed.map(({ phase, host }) => `${phase} ${host}`)).toEqual([
        'ansible-1 n3',
        'ansible-1 n4',
      ]);
      expect(await store.hosts.listFailed(jobId, 1)).toEqual(failed.slice(0, 1));
    });
  });
}

async function list({ hosts }: Store, jobId: string): Promise<readonly HostResult[]> {
  return (await hosts.list(jobId, { limit: 100 })).items;
}
