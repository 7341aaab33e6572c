import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

const MODULE = fileURLToPath(new URL('../../dist/activities/phase-log.js', import.meta.url));

/** In a process of its own, as it is a process that a rejection nobody waits for would end. */
test('whileWaiting fails the step, and not the worker, where its first line cannot be written', () => {
  const script = `
    const { openPhaseLog } = await import(${JSON.stringify(MODULE)});
    const away = async () => { throw new Error('the database is away'); };
    const store = { sessions: { get: async () => ({}) }, logs: { appendLine: away } };
    const log = openPhaseLog(store, 'cfs-a', 'inventory', new AbortController().signal);
    const read = () => new Promise((resolve) => setTimeout(resolve, 20));
    await log.whileWaiting('Reading', read).catch(({ message }) => process.stdout.write(message));`;
  const { stdout, status } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', script],
    { encoding: 'utf8' },
  );
  expect([status, stdout]).toEqual([0, 'the database is away']);
});
