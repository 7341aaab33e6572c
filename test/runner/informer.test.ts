import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { CoreV1Api, type V1Pod } from '@kubernetes/client-node';
import { openInformer, type Informer } from '../../src/runner/informer.js';
import { waitFor } from '../support/wait.js';
import { startWatchServer, type WatchServer } from './watch-server.js';

let server: WatchServer;
let informer: Informer;
let told: string[];
let breaks: unknown[];

beforeEach(async () => {
  server = await startWatchServer();
  told = [];
  breaks = [];
});
afterEach(async () => {
  informer.close();
  await server.close();
});

const aPod = (name: string, resourceVersion: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'n', resourceVersion },
});

function open(onChange = (pod: V1Pod) => void told.push(`+${pod.metadata?.name}`)): void {
  const core = server.config.makeApiClient(CoreV1Api);
  informer = openInformer<V1Pod>({
    config: server.config,
    path: server.path,
    selector: 'a=b',
    list: (_, page) => core.listNamespacedPod({ namespace: 'n', ...page }),
    onChange,
    onDelete: (pod) => told.push(`-${pod.metadata?.name}`),
    onBreak: (error) => breaks.push(error),
  });
}

const whenWatched = (count: number) =>
  waitFor(() => server.watches() >= count, { what: `watch ${count}` });
const whenTold = (text: string) => waitFor(() => told.includes(text), { what: text });

describe('openInformer', () => {
  test('reports what exists, and then what changes', async () => {
    server.items = [aPod('a', '1'), aPod('b', '2')];
    open();
    await informer.synced;
    expect(told).toEqual(['+a', '+b']);
    await whenWatched(1);
    server.send('DELETED', aPod('a', '1001'));
    server.send('ADDED', aPod('c', '1002'));
    await whenTold('+c');
    expect(told).toEqual(['+a', '+b', '-a', '+c']);
    expect(informer.heardAt()).toBeGreaterThan(performance.now() - 60_000);
  });

  test('lists what exists in pages, and watches from the state of the first page', async () => {
    const names = Array.from({ length: 1001 }, (_, index) => `pod-${index}`);
    server.items = names.map((name) => aPod(name, '1'));
    open();
    await informer.synced;
    expect(told).toEqual(names.map((name) => `+${name}`));
    expect(server.largestPage()).toBe(250);
    await whenWatched(1);
    expect([server.lists(), server.watchedFrom()]).toEqual([1, '1000']);
  });

  test('drops the record of who set which field', async () => {
    const aManaged = (name: string, version: string) => {
      const pod = aPod(name, version);
      return { ...pod, metadata: { ...pod.metadata, managedFields: [{ manager: 'kubelet' }] } };
    };
    server.items = [aManaged('a', '1')];
    open(({ metadata }) => void told.push(`${metadata?.name} ${metadata?.managedFields?.length}`));
    await whenWatched(1);
    server.send('ADDED', aManaged('b', '1001'));
    await waitFor(() => told.length === 2, { what: 'both' });
    expect(told).toEqual(['a undefined', 'b undefined']);
  });

  test('counts as up to date as long as a connection delivers events, even if that is never renewed', async () => {
    open();
    await waitFor(() => informer.heardAt() > 0, { what: 'the watch to stand' });
    const since = informer.heardAt();
    await waitFor(() => performance.now() > since, { what: 'a millisecond to pass' });
    server.send('ADDED', aPod('a', '1001'));
    await whenTold('+a');
    expect(informer.heardAt()).toBeGreaterThan(since);
    expect(server.watches()).toBe(1);
  });

  test('continues where it was after a broken connection', async () => {
    open();
    await whenWatched(1);
    server.send('ADDED', aPod('a', '1001'));
    await whenTold('+a');
    server.breakOff();
    await whenWatched(2);
    expect(server.watchedFrom()).toBe('1001');
    expect(server.lists()).toBe(1);
    server.send('ADDED', aPod('b', '1002'));
    await whenTold('+b');
    expect(breaks).toHaveLength(1);
  });

  test('restarts for as long as it is refused', async () => {
    server.refuse(503);
    open();
    await whenWatched(3);
    server.refuse(undefined);
    const refused = server.watches();
    await whenWatched(refused + 1);
    server.send('ADDED', aPod('a', '1001'));
    await whenTold('+a');
  });

  test.each([
    ['by a status', () => server.refuse(410)],
    ['by an event', () => server.send('ERROR', { kind: 'Status', code: 410 })],
  ])(
    'lists again, and tells the difference, where its place is forgotten: %s',
    async (_, forget) => {
      server.items = [aPod('a', '1'), aPod('b', '2')];
      open();
      await whenWatched(1);
      server.items = [aPod('b', '2'), aPod('c', '3')];
      forget();
      server.end();
      await waitFor(() => server.lists() >= 2, { what: 'a second list' });
      server.refuse(undefined);
      await whenTold('+c');
      expect(told).toEqual(['+a', '+b', '-a', '+c']);
    },
  );

  test('lists again where the server was set back, which would tell nothing for long', async () => {
    server.items = [aPod('a', '900'), aPod('b', '950')];
    open();
    await whenWatched(1);
    server.items = [aPod('a', '900')];
    server.setBack(900);
    server.breakOff();
    await waitFor(() => server.watches() >= 2, { what: 'the next watch' });
    server.send('ADDED', aPod('c', '901'));
    await whenTold('+c');
    expect(told).toEqual(['+a', '+b', '-b', '+c']);
    expect([server.lists(), server.watchedFrom()]).toEqual([2, '900']);
  });

  test('survives errors of its listeners', async () => {
    open((pod) => {
      told.push(`+${pod.metadata?.name}`);
      throw new Error('careless');
    });
    await whenWatched(1);
    server.send('ADDED', aPod('a', '1001'));
    server.send('ADDED', aPod('b', '1002'));
    await whenTold('+b');
    await waitFor(() => breaks.length === 2, { what: 'both errors' });
  });

  test('does nothing more after close', async () => {
    open();
    await whenWatched(1);
    informer.close();
    server.breakOff();
    await new Promise((resolve) => setImmediate(resolve));
    expect(server.watches()).toBe(1);
  });
});
