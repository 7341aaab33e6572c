import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { afterEach, describe, expect, test } from '@jest/globals';

const MODULE = new URL('../../dist/process/run.js', import.meta.url);

/** Prints `started` and `closing`, and ends when its input does. */
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

/** Prints `started` and hangs. */
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

/** A service that has received a signal and is closing. */
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
  test('treats a signal passed on by npm as the one from the terminal', async () => {
    const service = await startAndStop(3_600_000);
    service.kill('SIGINT');
    service.stdin.end();
    expect(await once(service, 'exit')).toEqual([0, null]);
  });

  test('exits at once on a later signal', async () => {
    const service = await startAndStop(0);
    service.kill('SIGINT');
    expect(await once(service, 'exit')).toEqual([130, null]);
  });

  test('exits at once on a later signal, even if the start hangs', async () => {
    const service = spawnScript(HANGING);
    await untilSaid(service, 'started');
    const signals = setInterval(() => service.kill('SIGINT'), 100);
    expect(await once(service, 'exit')).toEqual([130, null]);
    clearInterval(signals);
  });
});
