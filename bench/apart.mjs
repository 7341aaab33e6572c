import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findFreePort } from '../scripts/lib/ssh-host.mjs';
import { pause } from '../scripts/demo/service.mjs';
import { readMemory } from './memory.mjs';

const scripts = fileURLToPath(new URL('../scripts/', import.meta.url));
const SETTLE_MS = 10_000;

/**
 * Memory of an idle API and an idle worker, each a process of its own.
 * @param {string} directory @param {string} temporalAddress @param {AbortSignal} signal
 */
export async function measureIdle(directory, temporalAddress, signal) {
  const data = join(directory, 'apart');
  mkdirSync(data);
  const port = await findFreePort();
  const env = {
    ...process.env,
    KEELSON_DATA: data,
    API_LISTEN: `127.0.0.1:${port}`,
    TEMPORAL_ADDRESS: temporalAddress,
  };
  const log = openSync(join(data, 'log'), 'a');
  // Started as `npm run api` and `npm run worker` do, with the same limits of memory.
  const children = [['api.sh'], ['run.sh', 'worker.js']].map(([script = '', ...words]) =>
    spawn(join(scripts, script), words, { env, stdio: ['ignore', log, log] }),
  );
  closeSync(log);
  try {
    const answers = () =>
      fetch(`http://127.0.0.1:${port}/healthz/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    for (const deadline = Date.now() + 30_000; !(await answers()); await pause(signal)) {
      if (Date.now() > deadline) throw new Error(`API and worker did not start: ${data}/log`);
    }
    await pause(signal, SETTLE_MS);
    const [api, worker] = children.map(({ pid }) => readMemory(pid ?? 0));
    return { api, worker };
  } finally {
    for (const child of children) child.kill('SIGTERM');
    await Promise.all(children.map((child) => child.exitCode ?? once(child, 'exit')));
  }
}
