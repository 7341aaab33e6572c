import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { pause } from '../../scripts/demo/service.mjs';
import { toLogLines } from '../api/deliveries.mjs';
import { requireSuccess } from './control.mjs';
import { standInForAnsible } from './programs.mjs';
import { openStand, submitAll, waitUntilComplete } from './stand.mjs';

const BYTES = 1e9;
const KILLS = 5;
const LIMIT_MS = 600_000;

/**
 * One phase writes a large log as fast as it is taken, while worker and API are killed and started again. The job is real;
 * instead of Ansible it runs a program that prints a file. Measures from the start of the phase until its whole log is
 * stored. The time until its end is recorded is reported separately, because Temporal notices only after a while that a
 * worker was killed.
 * @param {import('./bench-load.mjs').Site} site @returns {Promise<import('../api/figures.mjs').Figure[]>}
 */
export async function measureLog(site) {
  const { data } = site.database;
  const bytes = Math.ceil(BYTES * site.scale);
  const source = join(data, 'source.log');
  await writeLog(source, bytes);
  const environment = standInForAnsible(join(data, 'programs'), `exec cat '${source}'`);
  const stand = await openStand(site, { environment });
  try {
    await submitAll(stand, ['log'], { configuration_name: 'debug_noop' });
    const { phase, kills, seconds, awaySeconds, endSeconds } = await follow(
      stand,
      bytes,
      site.signal,
    );
    await waitUntilComplete(stand, site.signal, LIMIT_MS);
    await requireSuccess(stand, ['log']);
    const { status } = await stand.client.get('/v3/sessions/log');
    const job = join(data, 'jobs', status.session.job, 'logs', `${phase.name}.log`);
    const own = await digest(createReadStream(job));
    const url = `${stand.url}/v3/sessions/log/logs?phase=${phase.name}`;
    const begin = performance.now();
    const stored = await digest(/** @type {any} */ ((await fetch(url)).body));
    const readSeconds = (performance.now() - begin) / 1000;
    return [
      {
        what: `log of ${(bytes / 1e6).toFixed(0)} MB through ${kills} kills each of API and worker`,
        value: bytes / 1e6 / seconds,
        unit: 'MB/s',
        least: 50,
      },
      {
        what: `the same without the ${awaySeconds.toFixed(1)} s in which the API was away`,
        ...{ value: bytes / 1e6 / (seconds - awaySeconds), unit: 'MB/s' },
      },
      { what: 'from then until the end of the phase is recorded', value: endSeconds, unit: 's' },
      {
        what: "whether it differs from the job's own file, by sha256",
        value: own === stored ? 0 : 1,
        unit: '',
        most: 0,
      },
      { what: 'to read it all', value: bytes / 1e6 / readSeconds, unit: 'MB/s' },
    ];
  } finally {
    await stand.close();
  }
}

/**
 * Waits until the whole log is stored, and kills both processes each time a further part of it is.
 * @param {import('./stand.mjs').Stand} stand @param {number} bytes @param {AbortSignal} signal
 */
async function follow(stand, bytes, signal) {
  let kills = 0;
  let awaySeconds = 0;
  let storedAt = 0;
  for (const deadline = Date.now() + LIMIT_MS; Date.now() < deadline; await pause(signal, 100)) {
    const phase = await findPhase(stand);
    if (storedAt === 0 && phase?.log_bytes >= bytes) storedAt = Date.now();
    if (phase?.log_complete) {
      const seconds = (storedAt - Date.parse(phase.start_time)) / 1000;
      return { phase, kills, seconds, awaySeconds, endSeconds: (Date.now() - storedAt) / 1000 };
    }
    if (kills === KILLS || (phase?.log_bytes ?? 0) < (bytes * (kills + 1)) / (KILLS + 1)) continue;
    const begin = performance.now();
    await Promise.all([stand.api.kill('SIGKILL'), stand.worker.kill('SIGKILL')]);
    const starting = stand.worker.start(signal);
    await stand.api.start(signal);
    awaySeconds += (performance.now() - begin) / 1000;
    await starting;
    kills += 1;
  }
  throw new Error(`The log was not complete after ${LIMIT_MS / 1000} s and ${kills} kills.`);
}

/** @param {import('./stand.mjs').Stand} stand @returns {Promise<any>} undefined before there is a plan */
async function findPhase({ client }) {
  const { phases } = await client.get('/v3/sessions/log/phases');
  return phases.find((/** @type {any} */ { name }) => name.startsWith('ansible'));
}

/** No two lines are the same, so that a misplaced one is found. @param {string} file @param {number} bytes */
async function writeLog(file, bytes) {
  const out = createWriteStream(file);
  let written = 0;
  for (let seed = 0; written < bytes; seed += 1) {
    const text = toLogLines(seed).slice(0, bytes - written);
    written += text.length;
    if (!out.write(text)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
}

/** @param {AsyncIterable<Uint8Array>} chunks */
async function digest(chunks) {
  const hash = createHash('sha256');
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}
