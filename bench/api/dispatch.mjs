import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Connection, Client } from '@temporalio/client';
import { pause } from '../../scripts/demo/service.mjs';
import { toP99 } from './figures.mjs';
import { send, timeAtRate } from './load.mjs';
import { putConfiguration } from './requests.mjs';
import { startApi } from './service.mjs';

const READY_MS = 60_000;

/**
 * The time from the moment at which a POST was due until its workflow has started according to Temporal, at 5 a second,
 * without a worker.
 * @param {import('./requests.mjs').Site} given
 * @param {{ data: string, environment: NodeJS.ProcessEnv }} database
 */
export async function measureDispatch({ scale, signal }, database) {
  const { parseConfig } = await import('#dist/config.js');
  const { startDevServer } = await import('#dist/process/dev-server.js');
  const directory = join(database.data, 'temporal');
  mkdirSync(directory);
  const { temporal } = parseConfig({ ...process.env, TEMPORAL_PORT: '0', TEMPORAL_UI_PORT: '0' });
  const quiet = () => undefined;
  const logger = /** @type {any} */ ({ debug: quiet, info: quiet, warn: quiet, error: quiet });
  const server = await startDevServer(temporal, directory, logger);
  const environment = {
    ...database.environment,
    RUNNER: 'local',
    TEMPORAL_ADDRESS: server.address,
  };
  const api = await startApi(database.data, environment, signal);
  const connection = await Connection.connect({ address: server.address });
  try {
    const site = { url: api.url, scale, signal };
    await putConfiguration(site);
    await create(site, 'warm');
    await readStarts(connection, 1, signal);
    const count = Math.ceil(100 * scale);
    const begin = Date.now();
    const names = Array.from({ length: count }, (_, index) => `dispatched-${index}`);
    await timeAtRate(
      { rate: 5, count },
      (_agent, index) => create(site, names[index] ?? ''),
      signal,
    );
    const starts = await readStarts(connection, count + 1, signal);
    const times = names.map((name, index) => (starts.get(name) ?? NaN) - (begin + index * 200));
    return [toP99('POST at 5/s until its workflow has started', times)];
  } finally {
    await connection.close();
    await api.close();
    await server.close();
  }
}

/** @param {{ url: string }} site @param {string} name */
const create = ({ url }, name) =>
  send(`${url}/v3/sessions`, { method: 'POST', body: { name, configuration_name: 'bench' } });

/**
 * When the workflow of each session started, in milliseconds since the epoch. Temporal and this process share one clock.
 * @param {Connection} connection @param {number} count @param {AbortSignal} signal
 */
async function readStarts(connection, count, signal) {
  const client = new Client({ connection });
  for (const deadline = Date.now() + READY_MS; ; await pause(signal, 200)) {
    const starts = new Map();
    for await (const { workflowId, startTime } of client.workflow.list({
      query: 'WorkflowType = "SessionWorkflow"',
    })) {
      starts.set(workflowId.replace(/^cfs-|-[0-9a-f]{8}$/g, ''), startTime.getTime());
    }
    if (starts.size >= count) return starts;
    if (Date.now() > deadline) throw new Error(`${starts.size} of ${count} workflows started.`);
  }
}
