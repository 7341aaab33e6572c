import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { expect, test } from '@jest/globals';

const LOGGER = new URL('../../dist/process/logger.js', import.meta.url).href;

test('a disk that is full neither ends a process that logs nor keeps it from ending', () => {
  const script = `
    const { createLogger } = await import(process.argv[1]);
    const logger = createLogger('test');
    for (let line = 0; line < 3; line += 1) logger.info('a line');
    await new Promise(setImmediate);
    logger.fatal('the last');
    process.stderr.write('at its end');
    process.exit(7);`;
  const full = openSync('/dev/full', 'w');
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', script, LOGGER],
    { stdio: ['ignore', full, 'pipe'], encoding: 'utf8', timeout: 100_000, killSignal: 'SIGKILL' },
  );
  closeSync(full);
  expect({ status, stderr }).toEqual({ status: 7, stderr: 'at its end' });
});
