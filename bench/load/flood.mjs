import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { putConfiguration } from '../api/requests.mjs';
import { startApi } from '../api/service.mjs';

const generator = fileURLToPath(new URL('generator.mjs', import.meta.url));
const CONNECTIONS = 1000;
const MS = 10_000;
/** Sessions per second that one worker completes, as measured by `--part control`; see docs/performance.md. */
const SUSTAINABLE = 10;
const TIMES = 20;
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

/**
 * Clients that post sessions as fast as they can, each as soon as it has its answer: many times what the service can take.
 * @param {import('./bench-load.mjs').Site} site
 */
export const measureFlood = (site) =>
  measure(site, `${CONNECTIONS} connections`, { connections: CONNECTIONS });

/**
 * More requests per second than any worker could run, whether the earlier ones are answered or not.
 * @param {import('./bench-load.mjs').Site} site
 */
export const measureOpenLoop = (site) =>
  measure(site, `${TIMES * SUSTAINABLE}/s`, { rate: TIMES * SUSTAINABLE });

/**
 * Every accepted session must exist afterwards, and every refused client must be told to retry.
 * @param {import('./bench-load.mjs').Site} site @param {string} how @param {object} load
 * @returns {Promise<import('../api/figures.mjs').Figure[]>}
 */
async function measure({ database, scale, signal }, how, load) {
  const api = await startApi(database.data, database.environment, signal);
  try {
    await putConfiguration({ url: api.url, scale, signal });
    // Until now Node has measured the start of the process.
    await readLag(api.url);
    const answers = await generate(api.url, { ...load, prefix: 'load', ms: MS * scale }, signal);
    const { p99, median, max, accepted, refused, wrong, generator: cost } = answers;
    const lost = await findLost(api.url, accepted);
    const lags = await readLag(api.url);
    const more = { median, max, generator: cost, api: lags };
    return [
      { what: `POST session, ${how}, p99`, value: p99, unit: 'ms', most: 1000, more },
      { what: 'accepted', value: accepted.length, unit: '' },
      { what: 'told to come again', value: refused, unit: '' },
      { what: 'accepted and lost', value: lost, unit: '', most: 0 },
      {
        ...{ what: 'without an answer, or a wrong one', value: sum(wrong) },
        unit: '',
        most: 0,
        more: wrong,
      },
      { what: 'event loop of the API, p99 of its delay', value: lags.p99, unit: 'ms' },
      { what: 'event loop of the generator, p99 of its delay', value: cost.delayP99Ms, unit: 'ms' },
    ];
  } finally {
    await api.close();
  }
}

/** @param {string} url @param {object} load @param {AbortSignal} signal */
async function generate(url, load, signal) {
  const { hostname, port } = new URL(url);
  const argument = JSON.stringify({ host: hostname, port: Number(port), ...load });
  const { stdout } = await promisify(execFile)(process.execPath, [generator, argument], {
    signal,
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  return JSON.parse(stdout);
}

/** @param {Record<string, number>} counts */
const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);

/** Node's figures of the API's event loop. @param {string} url */
async function readLag(url) {
  const text = await (await fetch(`${url}/metrics`)).text();
  const read = (/** @type {string} */ name) =>
    1000 * Number(new RegExp(`^nodejs_eventloop_lag_${name}_seconds (\\S+)`, 'm').exec(text)?.[1]);
  return { mean: read('mean'), p99: read('p99'), max: read('max') };
}

/** @param {string} url @param {readonly string[]} accepted */
async function findLost(url, accepted) {
  const left = new Set(accepted);
  for (let after = ''; ;) {
    const answer = await fetch(`${url}/v3/sessions?limit=1000&after_id=${after}`);
    const { sessions } = /** @type {any} */ (await answer.json());
    for (const { name } of sessions) left.delete(name);
    if (sessions.length < 1000) return left.size;
    after = sessions.at(-1).name;
  }
}
