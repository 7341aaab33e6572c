import { startApi } from '../api/service.mjs';
import { timeStep } from '../steps.mjs';
import { benchDatabases } from '../api/databases.mjs';
import { readMemory, readPeak } from '../memory.mjs';
import { measureBatcherStorm } from './batcher.mjs';
import {
  fill,
  measureAppends,
  measureBulk,
  measureBulkPut,
  measureCreation,
  measureLists,
  measurePatches,
  measureStorm,
} from './requests.mjs';
import { measureReports } from './reports.mjs';

/**
 * What components cost the API. Only the last storm has a worker, and no job runs. The load comes from this process, over
 * loopback.
 * @param {{ json: boolean, scale: number, database: string | undefined }} options @param {AbortSignal} signal
 */
export async function benchComponents({ json, scale, database }, signal) {
  await benchDatabases({ json, scale, database }, signal, (opened) =>
    measure(opened, scale, signal),
  );
}

/**
 * @param {import('../api/databases.mjs').BenchDatabase} database @param {number} scale @param {AbortSignal} signal
 * @returns {Promise<import('../api/figures.mjs').Figure[]>}
 */
async function measure(database, scale, signal) {
  const [some, many] = [Math.ceil(10_000 * scale), Math.ceil(100_000 * scale)];
  const figures = await measureAlone(database, scale, { some, many }, signal);
  const storm = () => measureBatcherStorm(database, scale, some, signal);
  return [...figures, ...(await timeStep(`${database.name}: a storm, the batcher on`, storm))];
}

/**
 * @param {import('../api/databases.mjs').BenchDatabase} database @param {number} scale
 * @param {{ some: number, many: number }} sizes @param {AbortSignal} signal
 * @returns {Promise<import('../api/figures.mjs').Figure[]>}
 */
async function measureAlone(database, scale, { some, many }, signal) {
  const api = await startApi(database.data, database.environment, signal);
  const site = { url: api.url, scale, signal };
  try {
    /** @type {[string, () => Promise<import('../api/figures.mjs').Figure[] | void>][]} */
    const steps = [
      [`${some} stored`, () => fill(site, 0, some)],
      ['PATCHes of many', () => measurePatches(site, some)],
      ['lists', () => measureLists(site, some, { most: 25, part: 0.5 })],
      ['state_append, one by one', () => measureAppends(site, some)],
      ['reports of jobs', () => measureReports(site, database, some)],
      [`${many} stored`, () => fill(site, some, many)],
      ['lists', () => measureLists(site, many, { most: 50, part: 0.99 })],
      ['sessions beside them', () => measureCreation(site, many)],
      ['a storm, the batcher off', () => measureStorm(site, some, 'the batcher off')],
      ['memory', async () => [toMemory(api.pid, many)]],
      [`PATCH of ${many}`, () => measureBulk(site, many)],
      [`PUT of ${many}`, () => measureBulkPut(site, many)],
    ];
    const figures = [];
    for (const [name, act] of steps) {
      figures.push(...((await timeStep(`${database.name}: ${name}`, act)) ?? []));
    }
    figures.push(toPeak(api.pid));
    return figures;
  } finally {
    await api.close();
  }
}

/** @param {number} pid @param {number} stored */
function toMemory(pid, stored) {
  const { resident } = readMemory(pid);
  const what = `resident memory of the API, ${stored} stored`;
  return { what, value: resident / 1e6, unit: 'MB', most: 300, original: '681 MB at 10,000' };
}

/** @param {number} pid */
function toPeak(pid) {
  const what = 'most resident memory ever, after both';
  return { what, value: readPeak(pid) / 1e6, unit: 'MB', most: 500 };
}
