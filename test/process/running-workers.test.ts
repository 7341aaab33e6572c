import { describe, expect, test } from '@jest/globals';
import type { State } from '@temporalio/worker';
import { runWorkers } from '../../src/process/running-workers.js';

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
    const running = runWorkers([broken, busy]);
    broken.fail(new Error('no poll is possible'));
    await expect(running.ended).rejects.toThrow('no poll is possible');
    await running.close();
    expect(log).toEqual(['busy is told', 'busy has ended']);
  });
});
