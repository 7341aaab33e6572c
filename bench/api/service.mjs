import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pause } from '../../scripts/demo/service.mjs';
import { findFreePort } from '../../scripts/lib/ssh-host.mjs';

const program = fileURLToPath(new URL('../../scripts/api.sh', import.meta.url));
const READY_MS = 30_000;

/**
 * Starts an API as a process of its own, on a free port of loopback.
 * @param {string} directory its data @param {NodeJS.ProcessEnv} environment @param {AbortSignal} signal
 */
export async function startApi(directory, environment, signal) {
  const port = await findFreePort();
  const logFile = join(directory, 'api.log');
  const log = openSync(logFile, 'a');
  const env = {
    ...process.env,
    PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
    KEELSON_DATA: directory,
    API_LISTEN: `127.0.0.1:${port}`,
    GIT_ALLOW_PROTOCOL: 'https',
    // No session is run, so Temporal is never needed.
    RUNNER: 'none',
    TEMPORAL_ADDRESS: '127.0.0.1:9',
    ...environment,
  };
  const child = spawn(program, { env, stdio: ['ignore', log, log] });
  closeSync(log);
  const url = `http://127.0.0.1:${port}`;
  const isReady = () =>
    fetch(`${url}/healthz/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  for (const deadline = Date.now() + READY_MS; !(await isReady()); await pause(signal)) {
    if (child.exitCode !== null || Date.now() > deadline) {
      throw new Error(`The API did not start:\n${readFileSync(logFile, 'utf8').slice(-2000)}`);
    }
  }
  return {
    url,
    pid: child.pid ?? 0,
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}
