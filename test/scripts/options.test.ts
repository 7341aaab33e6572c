import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '..', '..');

function run(program: string, ...words: readonly string[]) {
  // Without other variables, so that if it did start to act, it would fail.
  const options = { cwd: root, env: { PATH: '/nowhere' }, encoding: 'utf8' } as const;
  return spawnSync(process.execPath, [program, ...words], options);
}

describe.each([
  ['scripts/demo.mjs', 2],
  ['scripts/demo-image.mjs', 2],
  ['scripts/demo-kubernetes.mjs', 2],
  ['scripts/build-images.mjs', 1],
  ['scripts/control-image.mjs', 1],
  ['scripts/job-image.mjs', 1],
  ['scripts/image-root.mjs', 1],
  ['scripts/chaos.mjs', 1],
  ['bench/bench.mjs', 1],
])('%s', (program, mistake) => {
  test('prints its help and does nothing else', () => {
    const { status, stdout, stderr } = run(program, '--help');
    expect({ status, stdout, stderr }).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^npm run /),
      stderr: '',
    });
  });

  test('answers an unknown option with the known ones', () => {
    const { status, stdout, stderr } = run(program, '--bogus');
    expect({ status, stdout }).toEqual({ status: mistake, stdout: '' });
    expect(stderr).toMatch(/^Unknown option '--bogus'\.\n\nnpm run /);
  });
});

describe('createInterrupt', () => {
  test('aborts a demo whose output nobody reads any more, so that it cleans up', async () => {
    const script = `
      import { createInterrupt } from '${join(root, 'scripts/demo/interrupt.mjs')}';
      const { signal } = createInterrupt();
      signal.addEventListener('abort', () => {
        process.stderr.write(signal.reason.message);
        clearInterval(talking);
      });
      const talking = setInterval(() => console.log('more'), 1);`;
    const demo = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    await once(demo.stdout, 'data');
    demo.stdout.destroy();
    const [said] = (await once(demo.stderr, 'data')) as [Buffer];
    expect(said.toString()).toBe('Nobody reads the output any more.');
    expect(await once(demo, 'exit')).toEqual([0, null]);
  });
});
