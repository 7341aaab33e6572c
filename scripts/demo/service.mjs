import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findTools } from '../lib/tools.mjs';

const program = fileURLToPath(new URL('../run.sh', import.meta.url));
const READY_MS = 60_000;

/**
 * Starts the embedded service like `npm start`, on free loopback ports.
 * @param {string} directory @param {{ inventoryFile?: string, keyFile?: string, environment?: Record<string, string> }} site
 * @param {AbortSignal} signal
 */
export async function startService(directory, site, signal) {
  const data = join(directory, 'data');
  mkdirSync(data);
  const logFile = join(directory, 'service.log');
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(program, ['embedded.js'], {
    env: { ...process.env, ...toEnvironment(directory, data, site) },
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  child.unref();
  const file = join(data, 'service.json');
  for (const deadline = Date.now() + READY_MS; !existsSync(file); await pause(signal)) {
    if (child.exitCode !== null || Date.now() > deadline) {
      const tail = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-20).join('\n');
      throw new Error(`The service did not start:\n${tail}`);
    }
  }
  const { api, temporal, temporalUi, images } = JSON.parse(readFileSync(file, 'utf8'));
  return { api, temporal, temporalUi, images, data, logFile, pid: child.pid };
}

/**
 * @param {string} directory @param {string} data
 * @param {{ inventoryFile?: string, keyFile?: string, environment?: Record<string, string> }} site
 */
function toEnvironment(directory, data, site) {
  const { temporal, ansiblePlaybook, python } = findTools(process.env);
  return {
    // Marks the service and everything that it starts, so that the demo leaves nothing behind.
    KEELSON_DEMO: directory,
    KEELSON_DATA: data,
    API_LISTEN: '127.0.0.1:0',
    TEMPORAL_PORT: '0',
    TEMPORAL_UI_PORT: '0',
    INVENTORY_FILE: site.inventoryFile ?? '',
    SSH_PRIVATE_KEY_FILE: site.keyFile ?? '',
    // Always its own image service, whatever the shell has set.
    IMS_URL: '',
    GIT_ALLOW_PROTOCOL: 'file:https:ssh',
    ...site.environment,
    ...(temporal === undefined ? {} : { TEMPORAL_CLI: temporal }),
    ...(ansiblePlaybook === undefined ? {} : { ANSIBLE_PLAYBOOK: ansiblePlaybook }),
    ...(python === undefined ? {} : { PYTHON: python }),
  };
}

/** @param {AbortSignal} signal */
export async function pause(signal, milliseconds = 50) {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  signal.throwIfAborted();
}
