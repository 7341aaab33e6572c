import { readMemory } from '../memory.mjs';
import { measureDeliveries } from './deliveries.mjs';
import { measureDispatch } from './dispatch.mjs';
import { COMPLETE_ALL, toFillStatements } from './records.mjs';
import {
  measureBulkDelete,
  measureCreation,
  measureGet,
  measureLists,
  measurePut,
  measureWalk,
  putConfiguration,
} from './requests.mjs';
import { startApi } from './service.mjs';
import { benchDatabases } from './databases.mjs';

/**
 * Measures the API alone: no worker, and no job runs. The load comes from this process, over loopback.
 * @param {{ json: boolean, scale: number, database: string | undefined }} options @param {AbortSignal} signal
 */
export async function benchApi({ json, scale, database }, signal) {
  await benchDatabases({ json, scale, database }, signal, (opened) =>
    measure(opened, scale, signal),
  );
}

/**
 * @param {import('./databases.mjs').BenchDatabase} database @param {number} scale @param {AbortSignal} signal
 * @returns {Promise<import('./figures.mjs').Figure[]>}
 */
async function measure(database, scale, signal) {
  return [
    ...(await measureAlone(database, scale, signal)),
    ...(await measureDispatch({ url: '', scale, signal }, database)),
  ];
}

/** @param {Parameters<typeof measure>} given */
async function measureAlone(...[database, scale, signal]) {
  const api = await startApi(database.data, database.environment, signal);
  try {
    const site = { url: api.url, scale, signal };
    const many = Math.ceil(100_000 * scale);
    const figures = [];
    await putConfiguration(site);
    figures.push(...(await measureCreation(site, 'none')));
    figures.push(...(await measureDeliveries(site, database)));
    await database.execute(toFillStatements(0, many));
    figures.push(
      ...(await measureCreation(site, String(many))),
      ...(await measureGet(site, many)),
      ...(await measurePut(site)),
      ...(await measureLists(site, many, 10)),
      ...(await measureWalk(site)),
      toMemory(api.pid, many),
    );
    await database.execute([COMPLETE_ALL]);
    figures.push(...(await measureBulkDelete(site, many)));
    await database.execute(toFillStatements(many, many * 11));
    figures.push(...(await measureLists(site, many * 10, 25)));
    return figures;
  } finally {
    await api.close();
  }
}

/** @param {number} pid @param {number} stored */
function toMemory(pid, stored) {
  const { resident, shared } = readMemory(pid);
  const what = `resident memory of the API, ${stored} stored`;
  const more = { proportional: shared / 1e6 };
  return {
    ...{ what, value: resident / 1e6, unit: 'MB', most: 200, more },
    original: '265 MB with its database',
  };
}
