import { expect, test } from '@jest/globals';
import { runAlone } from '../support/own-process.js';

test('a first line of a log that cannot be written fails the step, and not the worker', () => {
  const said = runAlone(`
    const { openPhaseLog } = await import('./dist/activities/phase-log.js');
    const away = async () => { throw new Error('the database is away'); };
    const store = { sessions: { get: async () => ({}) }, logs: { appendLine: away } };
    const log = openPhaseLog(store, 'cfs-a', 'inventory', new AbortController().signal);
    const read = () => new Promise(setImmediate);
    await log.whileWaiting('Reading', read).catch(({ message }) => process.stdout.write(message));`);
  expect(said).toBe('the database is away');
});

test('a wait that cannot be recorded because of a defect fails neither the step nor the worker', () => {
  const said = runAlone(`
    const { MockActivityEnvironment } = await import('@temporalio/testing');
    const { openWaits } = await import('./dist/activities/waits.js');
    const store = { sessions: { recordWait: async () => { throw new Error('a defect'); } } };
    const logger = { info: ({ err }, text) => process.stdout.write(text + ': ' + err.message) };
    await new MockActivityEnvironment().run(async () => {
      const waits = openWaits({ store, logger, now: () => new Date().toISOString() }, { jobId: 'cfs-a' });
      void waits.tell('HSM is away.');
      await new Promise(setImmediate);
      await waits.end();
    });`);
  expect(said).toBe('a wait could not be told: a defect');
});
