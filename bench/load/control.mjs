import {
  configure,
  openStand,
  readSessions,
  submitAll,
  toNames,
  waitUntilComplete,
} from './stand.mjs';

const SESSIONS = 600;
const LIMIT_MS = 600_000;

/**
 * Sessions per second through API, database, Temporal's dev server and worker, all on this machine. This measures the
 * control side alone: jobs are simulated, and every phase ends at once. One layer, so three phases.
 * @param {import('./bench-load.mjs').Site} site @returns {Promise<import('../api/figures.mjs').Figure[]>}
 */
export async function measureControl(site) {
  const stand = await openStand(site, { standIn: true });
  try {
    await configure(stand);
    await carry(stand, toNames('warm', 5), site.signal);
    const before = await countRequests(stand);
    const names = toNames('control', Math.ceil(SESSIONS * site.scale));
    const seconds = await carry(stand, names, site.signal);
    const requests = (await countRequests(stand)) - before;
    const value = names.length / seconds;
    const what = `sessions of 3 phases, ${names.length} at once, nothing run`;
    return [
      { what, value, unit: '/s', least: 10 },
      {
        what: "requests of the worker to Temporal, a session's share",
        value: requests / names.length,
        unit: '',
      },
    ];
  } finally {
    await stand.close();
  }
}

/**
 * Seconds from the first POST until all sessions are complete.
 * @param {import('./stand.mjs').Stand} stand @param {readonly string[]} names @param {AbortSignal} signal
 */
export async function carry(stand, names, signal) {
  const begin = performance.now();
  await submitAll(stand, names, { configuration_name: 'bench' });
  await waitUntilComplete(stand, signal, LIMIT_MS);
  const seconds = (performance.now() - begin) / 1000;
  await requireSuccess(stand, names);
  return seconds;
}

/** @param {import('./stand.mjs').Stand} stand @param {readonly string[]} names */
export async function requireSuccess(stand, names) {
  for (const { name, status } of await readSessions(stand, names)) {
    const { succeeded, reason, message } = status.session;
    if (succeeded !== 'true') throw new Error(`${name}: ${succeeded} ${reason} ${message}`);
  }
}

/**
 * Counts all requests of the worker to Temporal. A long poll counts once it is answered.
 * @param {import('./stand.mjs').Stand} stand
 */
async function countRequests(stand) {
  const counts = toCounts(await stand.readSdkMetrics());
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

/** Counts by operation. @param {string} text @returns {Record<string, number>} */
export function toCounts(text) {
  const counts = /** @type {Record<string, number>} */ ({});
  const line = /^temporal_(?:long_)?request_total\{(.*)\} (\S+)$/gm;
  for (const [, labels = '', value] of text.matchAll(line)) {
    const operation = /operation="([^"]+)"/.exec(labels)?.[1] ?? '';
    counts[operation] = (counts[operation] ?? 0) + Number(value);
  }
  return counts;
}
