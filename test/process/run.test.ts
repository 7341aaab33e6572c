import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { afterEach, describe, expect, test } from '@jest/globals';

const MODULE = new URL('../../dist/process/run.js', import.meta.url);

/** Says `started`, `closing`, and ends when its input does. */
const toScript = (oneWishMs: number) => `
import { once } from 'node:events';
import { runService } from '${MODULE.href}';
const close = async () => {
  console.log('closing');
  process.stdin.resume();
  await once(process.stdin, 'end');
};
const logger = { info: () => undefined };
await runService(async () => {
  console.log('started');
  setInterval(() => undefined, 1000);
  return { close };
}, logger, ${oneWishMs});`;

type Child = ChildProcessByStdio<Writable, Readable, null>;

let child: Child | undefined;
afterEach(() => void child?.kill('SIGKILL'));

/** Says `started`, and hangs. */
const HANGING = `
import { runService } from '${MODULE.href}';
await runService(() => {
  console.log('started');
  setInterval(() => undefined, 1000);
  return new Promise(() => undefined);
}, {}, 0);`;

function spawnScript(script: string): Child {
  const args = ['--input-type=module', '--eval', script];
  child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  return child;
}

/** A service that has got a signal and closes. */
async function startAndStop(oneWishMs: number): Promise<Child> {
  const started = spawnScript(toScript(oneWishMs));
  await untilSaid(started, 'started');
  started.kill('SIGINT');
  await untilSaid(started, 'closing');
  return started;
}

async function untilSaid({ stdout }: Child, word: string): Promise<void> {
  for (let said = ''; !said.includes(word);) {
    const [text] = (await once(stdout, 'data')) as [Buffer];
    said += text.toString();
  }
}

describe('runService', () => {
  test('takes a signal that npm has passed on for the one that the terminal gave', async () => {
    const service = await startAndStop(3_600_000);
    service.kill('SIGINT');
    service.stdin.end();
    expect(await once(service, 'exit')).toEqual([0, null]);
  });

  test('does not wait any longer when a later signal comes', async () => {
    const service = await startAndStop(0);
    service.kill('SIGINT');
    expect(await once(service, 'exit')).toEqual([130, null]);
  });

  test('does not wait for a start that hangs when a later signal comes', async () => {
    const service = spawnScript(HANGING);
    await untilSaid(service, 'started');
    const signals = setInterval(() => service.kill('SIGINT'), 100);
    expect(await once(service, 'exit')).toEqual([130, null]);
    clearInterval(signals);
  });
});
