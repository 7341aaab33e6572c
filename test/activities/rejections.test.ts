import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const ROOT = join(import.meta.dirname, '..', '..');

/** What it has printed, in a process of its own: a rejection that nobody waits for would end it. */
function run(script: string): string {
  const args = ['--input-type=module', '--eval', script];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return status === 0 ? stdout : stderr;
}

test('a first line of a log that cannot be written fails the step, and not the worker', () => {
  const said = run(`
    const { openPhaseLog } = await import('./dist/activities/phase-log.js');
    const away = async () => { throw new Error('the database is away'); };
    const store = { sessions: { get: async () => ({}) }, logs: { appendLine: away } };
    const log = openPhaseLog(store, 'cfs-a', 'inventory', new AbortController().signal);
    const read = () => new Promise((resolve) => setTimeout(resolve, 20));
    await log.whileWaiting('Reading', read).catch(({ message }) => process.stdout.write(message));`);
  expect(said).toBe('the database is away');
});

test('a wait that cannot be told for a defect fails neither the step nor the worker', () => {
  const said = run(`
    const { MockActivityEnvironment } = await import('@temporalio/testing');
    const { openWaits } = await import('./dist/activities/waits.js');
    const store = { sessions: { recordWait: async () => { throw new Error('a defect'); } } };
    const logger = { info: ({ err }, text) => process.stdout.write(text + ': ' + err.message) };
    await new MockActivityEnvironment().run(async () => {
      const waits = openWaits({ store, logger }, { jobId: 'cfs-a' });
      void waits.tell('HSM is away.');
      await new Promise((resolve) => setTimeout(resolve, 20));
      await waits.end();
    });`);
  expect(said).toBe('a wait could not be told: a defect');
});
