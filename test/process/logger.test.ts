import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { expect, test } from '@jest/globals';

const LOGGER = new URL('../../dist/process/logger.js', import.meta.url).href;
const ERRORS = new URL('../../dist/core/errors.js', import.meta.url).href;

test('a fault is logged as its message, a defect with its stack', () => {
  const script = `
    const [logger, errors] = await Promise.all(process.argv.slice(1).map((url) => import(url)));
    const log = logger.createLogger('test');
    log.warn({ err: new errors.ServiceError('unavailable', 'It is away.') }, 'a fault');
    log.warn({ err: new TypeError('not a function') }, 'a defect');`;
  const { stdout } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', script, LOGGER, ERRORS],
    { encoding: 'utf8' },
  );
  const [fault, defect] = stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { err: object }).err);
  expect(fault).toEqual({ fault: 'unavailable', message: 'It is away.' });
  expect(defect).toMatchObject({ type: 'TypeError', stack: expect.stringContaining('at ') });
});

test('a full disk neither ends a process that logs nor keeps it from ending', () => {
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
