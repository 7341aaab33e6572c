import { gzipSync } from 'node:zlib';
import { GZIP_LEVEL, toLogLines } from '../api/deliveries.mjs';
import { configure, openStand, submitAll, toNames, waitUntilComplete } from './stand.mjs';

const SESSIONS = 300;
const HOSTS = 50_000;
const HOSTS_AT_ONCE = 1000;
const LOG_CHUNKS = 400;
const LIMIT_MS = 600_000;
const PHASE = 'ansible-0';

/**
 * How much each stored thing makes the database grow, indexes included.
 * @param {import('./bench-load.mjs').Site} site @returns {Promise<import('../api/figures.mjs').Figure[]>}
 */
export async function measureSizes(site) {
  const sessions = await growBySessions(site);
  const { hosts, lines } = await growByDeliveries(site);
  return [
    { what: 'a session of 3 phases, ended', value: sessions, unit: 'bytes' },
    { what: 'the result of a host in one playbook', value: hosts, unit: 'bytes' },
    { what: 'a line of log', value: lines.each, unit: 'bytes', more: lines },
  ];
}

/** Their jobs are simulated, everything else is real. @param {import('./bench-load.mjs').Site} site */
async function growBySessions(site) {
  const stand = await openStand(site, { standIn: true });
  try {
    await configure(stand);
    const count = Math.ceil(SESSIONS * site.scale);
    const before = await site.database.measureSize();
    const request = { configuration_name: 'bench', tags: { bos_session: 'bench' } };
    await submitAll(stand, toNames('size', count), request);
    await waitUntilComplete(stand, site.signal, LIMIT_MS);
    return ((await site.database.measureSize()) - before) / count;
  } finally {
    await stand.close();
  }
}

/** Saves hosts and log through the store, as the API does. @param {import('./bench-load.mjs').Site} site */
async function growByDeliveries({ database, scale, signal }) {
  const { parseConfig } = await import('#dist/config.js');
  const { openStore } = await import('#dist/store/open.js');
  const config = parseConfig({ KEELSON_DATA: database.data, ...database.environment });
  const store = await openStore(config.database, { warn: () => undefined });
  try {
    const jobId = 'cfs-sizes-0123abcd';
    const createdAt = new Date().toISOString();
    await store.sessions.insert({ jobId, createdAt, external: true, request: toRequest('sizes') });
    await store.phases.savePlan(jobId, [{ name: PHASE, kind: 'ansible', title: 'site.yml' }]);
    const begin = await database.measureSize();
    const batches = Math.ceil((HOSTS * scale) / HOSTS_AT_ONCE);
    for (let sequence = 1; sequence <= batches; sequence += 1) {
      signal.throwIfAborted();
      const hosts = Array.from({ length: HOSTS_AT_ONCE }, (_, index) =>
        toHost((sequence - 1) * HOSTS_AT_ONCE + index),
      );
      await store.hosts.save(jobId, PHASE, { sequence, final: sequence === batches, hosts });
    }
    const withHosts = await database.measureSize();
    const log = await appendLog(store, jobId, Math.ceil(LOG_CHUNKS * scale), signal);
    const withLog = await database.measureSize();
    return {
      hosts: (withHosts - begin) / (batches * HOSTS_AT_ONCE),
      lines: {
        each: (withLog - withHosts) / log.lines,
        written: log.bytes / log.lines,
        lines: log.lines,
      },
    };
  } finally {
    await store.close();
  }
}

/** @param {import('#dist/store/store.js').Store} store @param {string} jobId @param {number} chunks @param {AbortSignal} signal */
async function appendLog(store, jobId, chunks, signal) {
  let bytes = 0;
  let lines = 0;
  for (let seed = 0; seed < chunks; seed += 1) {
    signal.throwIfAborted();
    const chunk = Buffer.from(toLogLines(seed));
    await store.logs.append(jobId, PHASE, bytes, chunk, gzipSync(chunk, { level: GZIP_LEVEL }));
    bytes += chunk.length;
    lines += chunk.toString().split('\n').length;
  }
  return { bytes, lines };
}

/** @param {number} index */
function toHost(index) {
  const host = `x${1000 + Math.floor(index / 512)}c${Math.floor(index / 64) % 8}s${index % 64}b0n0`;
  const counts = { ok: 12, changed: 3, failed: 0, skipped: 4, unreachable: 0 };
  return { host, ...counts, incomplete: false };
}

/** @param {string} name @returns {any} */
const toRequest = (name) => ({
  ...{ name, configurationName: 'bench', configurationLimit: '', ansibleVerbosity: 0 },
  ...{ ansibleConfig: '', ansibleLimit: '', ansiblePassthrough: '', debugOnFailure: false },
  ...{ target: { definition: 'dynamic' }, tags: {} },
});
