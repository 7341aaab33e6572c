import { describe, expect, test } from '@jest/globals';
import type { Change, Store } from '../../../src/store/store.js';
import { aNewSession } from '../../support/store-builders.js';
import { waitFor } from '../../support/wait.js';
import type { Stores } from '../store-contract.js';

export function changeContract(stores: () => Stores): void {
  describe('subscribe', () => {
    test("announces this process's commits, by kind, once they can be read", async () => {
      const { store } = stores();
      const seen: Promise<boolean>[] = [];
      const changes = record(store, () => {
        seen.push(store.sessions.find('a').then((session) => session !== undefined));
      });

      const { jobId } = await store.sessions.insert(aNewSession('a'));
      await waitFor(() => changes.length >= 2);

      expect(changes).toEqual(
        expect.arrayContaining([{ kind: 'wish' }, { kind: 'session', jobId }]),
      );
      expect(await Promise.all(seen)).not.toContain(false);
    });

    test('announces soon that another process has committed', async () => {
      const { store, other } = stores();
      const changes = record(store);

      await other.sessions.insert(aNewSession('a'));

      await waitFor(() => changes.length > 0);
      expect(changes.map(({ kind }) => kind)).toContainEqual(expect.stringMatching(/^(any|wish)$/));
    });

    test('wakes a taker for the cancel that came during a start', async () => {
      const { store } = stores();
      const { jobId } = await store.sessions.insert(aNewSession('a'));
      const changes = record(store);

      await store.sessions.recordDispatched(jobId, 'started');

      await waitFor(() => changes.some(({ kind }) => kind === 'wish'));
    });

    test('announces nothing that was refused, and nothing after the end', async () => {
      const { store } = stores();
      await store.sessions.insert(aNewSession('a'));
      const changes: Change[] = [];
      const stop = store.subscribe((change) => changes.push(change));
      const second = { ...aNewSession('a'), jobId: 'cfs-a-second' };
      await expect(store.sessions.insert(second)).rejects.toMatchObject({ fault: 'conflict' });

      stop();
      await store.sessions.insert(aNewSession('b'));

      expect(changes).toEqual([]);
    });
  });
}

function record(store: Store, onChange: () => void = () => undefined): readonly Change[] {
  const changes: Change[] = [];
  store.subscribe((change) => {
    changes.push(change);
    onChange();
  });
  return changes;
}
