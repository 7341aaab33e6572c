import { pause } from '../../scripts/demo/service.mjs';
import { send } from '../api/load.mjs';
import { openStand } from '../load/stand.mjs';
import { timeStep } from '../steps.mjs';
import { measureStorm } from './requests.mjs';

const BEGIN_MS = 120_000;
const END_MS = 900_000;

/**
 * The boot storm while the batcher opens sessions for the nodes. Their jobs are simulated; API, worker and Temporal are
 * real and run on this machine.
 * @param {import('../api/databases.mjs').BenchDatabase} database @param {number} scale @param {number} count
 * @param {AbortSignal} signal @returns {Promise<import('../api/figures.mjs').Figure[]>}
 */
export async function measureBatcherStorm(database, scale, count, signal) {
  const stand = await openStand({ database, scale, signal }, { standIn: true });
  const { url } = stand;
  try {
    await timeStep('  all disabled', () => disableAll(url));
    await send(`${url}/v3/options`, { method: 'PATCH', body: { batcher: 'internal' } });
    const hasBegun = async () =>
      (await read(`${url}/v3/batches?limit=1`)).batcher.last_cycle !== null;
    await timeStep('  the first cycle', () => waitFor(hasBegun, BEGIN_MS, signal));
    const storm = () => measureStorm({ url, scale, signal }, count, 'the batcher on');
    const figures = await timeStep('  the storm', storm);
    const begin = performance.now();
    const end = () => waitFor(async () => (await countLeft(url)) === 0, END_MS, signal);
    await timeStep('  its end', end);
    const value = (performance.now() - begin) / 1000;
    const lost = count - (await countConfigured(url, count));
    return [
      ...figures,
      { what: 'from its end until all are configured', value, unit: 's' },
      { what: 'not configured then', value: lost, unit: '', most: 0 },
    ];
  } finally {
    await stand.close();
  }
}

/** @param {string} url */
async function disableAll(url) {
  const off = { patch: { enabled: false, tags: { booted: '' } }, filters: {} };
  await send(`${url}/v3/components`, { method: 'PATCH', body: off });
}

/** Reads at most one component, so that looking costs almost nothing. Zero: none is left. @param {string} url */
async function countLeft(url) {
  const path = `${url}/v3/components?tags=booted=yes&status=pending&limit=1`;
  return (await read(path)).components.length;
}

/** @param {string} url @param {number} count @returns {Promise<number>} */
async function countConfigured(url, count) {
  const path = `${url}/v3/components?tags=booted=yes&status=configured&limit=${count}`;
  return (await read(path)).components.length;
}

/** @param {string} url @returns {Promise<any>} */
async function read(url) {
  return JSON.parse(String(await send(url)));
}

/** @param {() => Promise<boolean>} isSo @param {number} limitMs @param {AbortSignal} signal */
async function waitFor(isSo, limitMs, signal) {
  for (const deadline = Date.now() + limitMs; !(await isSo()); await pause(signal, 1_000)) {
    if (Date.now() > deadline)
      throw new Error(`The batcher was not done after ${limitMs / 1000} s.`);
  }
}
