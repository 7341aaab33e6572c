import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClient } from '../../scripts/demo/client.mjs';
import { pause } from '../../scripts/demo/service.mjs';
import { findFreePort } from '../../scripts/lib/ssh-host.mjs';
import { findTools } from '../../scripts/lib/tools.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const READY_MS = 60_000;

/** @typedef {Awaited<ReturnType<typeof openStand>>} Stand */

/**
 * Starts API, worker and a Temporal dev server on loopback, each a process of its own that may be killed.
 * @param {import('./bench-load.mjs').Site} site
 * @param {{ environment?: NodeJS.ProcessEnv, standIn?: boolean }} [options] standIn: simulate jobs with stand-in-runner.mjs
 */
export async function openStand({ database, signal }, { environment = {}, standIn = false } = {}) {
  const { data } = database;
  const temporal = await startTemporal(data);
  const [apiPort, metricsPort] = [await findFreePort(), await findFreePort()];
  const url = `http://127.0.0.1:${apiPort}`;
  const { ansiblePlaybook, python } = findTools(process.env);
  const env = {
    ...process.env,
    KEELSON_DATA: data,
    NODE_COMPILE_CACHE: join(data, 'compiled'),
    API_LISTEN: `127.0.0.1:${apiPort}`,
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_METRICS_LISTEN: `127.0.0.1:${metricsPort}`,
    GIT_ALLOW_PROTOCOL: 'file:https',
    INVENTORY_FILE: join(root, 'examples/inventory.yaml'),
    LOG_LEVEL: 'info',
    ...(ansiblePlaybook === undefined ? {} : { ANSIBLE_PLAYBOOK: ansiblePlaybook }),
    ...(python === undefined ? {} : { PYTHON: python }),
    ...database.environment,
    ...environment,
  };
  const inRoot = (/** @type {string} */ file) => join(root, file);
  const api = createProcess([inRoot('scripts/api.sh')], env, join(data, 'api.log'), () =>
    answers(`${url}/healthz/live`),
  );
  const program = standIn
    ? [inRoot('scripts/run.sh'), '../bench/load/worker.mjs']
    : [inRoot('scripts/run.sh'), 'worker.js'];
  const worker = createProcess(program, env, join(data, 'worker.log'), async () =>
    worker.output().includes('worker started'),
  );
  const stand = {
    ...{ url, data, api, worker },
    temporalAddress: temporal.address,
    client: createClient(url, signal),
    /** Metrics of Temporal's SDK in the worker. */
    readSdkMetrics: async () => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text(),
    async close() {
      await Promise.all([worker.kill('SIGTERM'), api.kill('SIGTERM')]);
      await temporal.close();
    },
  };
  try {
    await Promise.all([api.start(signal), worker.start(signal)]);
  } catch (error) {
    await stand.close();
    throw error;
  }
  return stand;
}

/** @param {string} data */
async function startTemporal(data) {
  const { parseConfig } = await import('#dist/config.js');
  const { startDevServer } = await import('#dist/process/dev-server.js');
  const directory = join(data, 'temporal');
  mkdirSync(directory);
  const { temporal } = parseConfig({ ...process.env, TEMPORAL_PORT: '0', TEMPORAL_UI_PORT: '0' });
  const quiet = () => undefined;
  const logger = /** @type {any} */ ({ debug: quiet, info: quiet, warn: quiet, error: quiet });
  return startDevServer(temporal, directory, logger);
}

/**
 * @param {readonly string[]} command @param {NodeJS.ProcessEnv} env @param {string} logFile @param {() => Promise<boolean>} isReady
 */
function createProcess(command, env, logFile, isReady) {
  const [program = '', ...words] = command;
  /** @type {import('node:child_process').ChildProcess | undefined} */
  let child;
  let from = 0;
  const read = () => readFileSync(logFile, 'utf8');
  return {
    get pid() {
      return child?.pid ?? 0;
    },
    output: () => read().slice(from),
    /** @param {AbortSignal} signal */
    async start(signal) {
      const log = openSync(logFile, 'a');
      from = read().length;
      const started = spawn(program, words, { env, stdio: ['ignore', log, log] });
      closeSync(log);
      child = started;
      for (const deadline = Date.now() + READY_MS; !(await isReady()); await pause(signal)) {
        if (started.exitCode !== null || Date.now() > deadline)
          throw new Error(`${command.join(' ')} did not start:\n${read().slice(-2000)}`);
      }
    },
    /** Resolves once the process is gone, to the time that took. @param {NodeJS.Signals} name */
    async kill(name) {
      const running = child;
      child = undefined;
      if (running === undefined || running.exitCode !== null || running.signalCode !== null)
        return 0;
      const begin = performance.now();
      running.kill(name);
      await once(running, 'exit');
      return performance.now() - begin;
    },
  };
}

/** @param {string} url */
const answers = (url) =>
  fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );

/** Puts the configuration `bench`: one layer with a commit, so that no branch is resolved. @param {Stand} stand */
export async function configure({ client }) {
  const layer = { clone_url: 'https://git.example.org/base.git', playbook: 'site.yml' };
  const layers = [{ ...layer, commit: '1'.repeat(40) }];
  await client.put('/v3/configurations/bench', { layers });
}

/**
 * Waits until no session is pending or running.
 * @param {Stand} stand @param {AbortSignal} signal @param {number} limitMs
 */
export async function waitUntilComplete({ client }, signal, limitMs) {
  const isOver = async (/** @type {string} */ status) =>
    (await client.get(`/v3/sessions?status=${status}&limit=1`)).sessions.length === 0;
  for (const deadline = Date.now() + limitMs; ; await pause(signal, 200)) {
    if ((await isOver('pending')) && (await isOver('running'))) return;
    if (Date.now() > deadline) throw new Error(`Sessions were not over after ${limitMs / 1000} s.`);
  }
}

/**
 * Posts all of these sessions, several at once.
 * @param {Stand} stand @param {readonly string[]} names @param {object} request
 */
export async function submitAll({ client }, names, request) {
  const left = names.values();
  const submit = async () => {
    for (const name of left) await client.post('/v3/sessions', { name, ...request });
  };
  await Promise.all(Array.from({ length: 8 }, submit));
}

/** @param {Stand} stand @param {readonly string[]} names @returns {Promise<any[]>} */
export async function readSessions({ client }, names) {
  const sessions = [];
  for (const name of names) sessions.push(await client.get(`/v3/sessions/${name}`));
  return sessions;
}

/** @param {string} prefix @param {number} count */
export const toNames = (prefix, count) =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
