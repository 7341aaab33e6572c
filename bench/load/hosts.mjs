import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireSuccess } from './control.mjs';
import { standInForAnsible } from './programs.mjs';
import { openStand, submitAll, waitUntilComplete } from './stand.mjs';

const HOSTS = 2500;
const LIMIT_MS = 120_000;

/**
 * The results of many hosts that arrive at once, at the end of a playbook. The job is real; instead of Ansible it runs a
 * program that writes what Ansible's callback would have written.
 * @param {import('./bench-load.mjs').Site} site @returns {Promise<import('../api/figures.mjs').Figure[]>}
 */
export async function measureHosts(site) {
  const { data } = site.database;
  const count = Math.ceil(HOSTS * site.scale);
  const file = join(data, 'results.json');
  writeFileSync(
    file,
    JSON.stringify({ hosts: Array.from({ length: count }, (_, n) => toHost(n)) }),
  );
  const script = `cp '${file}' "$KEELSON_RESULTS"`;
  const stand = await openStand(site, {
    environment: standInForAnsible(join(data, 'programs'), script),
  });
  try {
    await submitAll(stand, ['hosts'], { configuration_name: 'debug_noop' });
    await waitUntilComplete(stand, site.signal, LIMIT_MS);
    const over = Date.now();
    await requireSuccess(stand, ['hosts']);
    const { phases } = await stand.client.get('/v3/sessions/hosts/phases');
    const value = (over - Date.parse(phases.at(-1).start_time)) / 1000;
    const begin = performance.now();
    const found = await countHosts(stand);
    return [
      { what: 'from the start of the phase until the session is over', value, unit: 's' },
      { what: 'hosts that are there', value: found, unit: '', least: count },
      { what: 'to read them all', value: performance.now() - begin, unit: 'ms' },
    ];
  } finally {
    await stand.close();
  }
}

/** @param {number} index */
function toHost(index) {
  const counts = { ok: 12, changed: 3, failed: 0, skipped: 4, unreachable: 0 };
  const place = `x${1000 + Math.floor(index / 512)}c${Math.floor(index / 64) % 8}s${index % 64}b0n0`;
  return { host: place, ...counts, incomplete: false };
}

/** @param {import('./stand.mjs').Stand} stand */
async function countHosts({ client }) {
  let count = 0;
  for (let query = 'limit=1000'; ;) {
    const { hosts, next } = await client.get(`/v3/sessions/hosts/hosts?${query}`);
    count += hosts.length;
    if (next === null) return count;
    query = `limit=1000&after_id=${encodeURIComponent(next.after_id)}`;
  }
}
