import { describe, expect, test } from '@jest/globals';
import type { State } from '@temporalio/worker';
import { runWorkers } from '../../src/process/running-workers.js';

const silent = { error: () => undefined };

/** Runs until it fails or its work is done, which takes a moment after it was told to stop. */
function aWorker(log: string[], name: string) {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  let state: State = 'RUNNING';
  return {
    run: () => promise,
    getState: () => state,
    shutdown() {
      log.push(`${name} is told`);
      setImmediate(() => {
        log.push(`${name} has ended`);
        resolve(undefined);
      });
    },
    fail(error: Error) {
      state = 'FAILED';
      reject(error);
    },
  };
}

describe('runWorkers', () => {
  test('lets the others end their work if one has failed', async () => {
    const log: string[] = [];
    const [broken, busy] = [aWorker(log, 'broken'), aWorker(log, 'busy')];
    const running = runWorkers([broken, busy], silent);
    broken.fail(new Error('no poll is possible'));
    await expect(running.ended).rejects.toThrow('no poll is possible');
    await running.close();
    expect(log).toEqual(['busy is told', 'busy has ended']);
  });

  test('tells of one that fails while it is being closed', async () => {
    const broken = aWorker([], 'broken');
    const told: unknown[] = [];
    const logger = { error: (fields: unknown) => void told.push(fields) };
    const closing = runWorkers([broken], logger).close();
    const err = new Error('it did not end in time');
    broken.fail(err);
    await closing;
    expect(told).toEqual([{ err }]);
  });
});
