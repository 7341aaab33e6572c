import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { pause } from '../../scripts/demo/service.mjs';
import { toP99 } from './figures.mjs';
import { createAgent, send } from './load.mjs';
import { toJobName, toJobStatements } from './records.mjs';

/** The size of pieces and the level of gzip with which a job delivers. It sends one piece at a time. */
export const CHUNK_BYTES = 256 * 1024;
export const GZIP_LEVEL = 2;
const JOBS = 20;
const LINES_PER_SECOND = 20;

/**
 * A reader follows a log of 20 lines a second, first alone, then beside 20 jobs that deliver as fast as the API takes it.
 * @param {import('./requests.mjs').Site} site
 * @param {{ data: string, execute: (statements: readonly string[]) => Promise<void> }} database
 */
export async function measureDeliveries(site, database) {
  const toJob = (/** @type {string} */ name) => `cfs-${name}-0123abcd`;
  const many = Array.from({ length: JOBS }, (_, index) => toJob(`ingest-${index}`));
  await database.execute(toJobStatements([...many, toJob('alone'), toJob('beside')]));
  const key = Buffer.from(readFileSync(join(database.data, 'master.key'), 'utf8').trim(), 'hex');
  const open = (/** @type {string} */ jobId) => openDelivery(site, key, jobId);

  const over = AbortSignal.timeout(10_000 * site.scale + 1000);
  const alone = await measureLag(site, open(toJob('alone')), over);
  const chunks = Array.from({ length: 8 }, (_, index) => toChunk(index));
  const ingested = new AbortController();
  const beside = measureLag(site, open(toJob('beside')), ingested.signal);
  const each = Math.ceil(200 * site.scale);
  const begin = performance.now();
  const deliveries = many.map(open);
  await Promise.all(deliveries.map((delivery) => deliver(delivery, chunks, each, site.signal)));
  const seconds = (performance.now() - begin) / 1000;
  ingested.abort();
  for (const delivery of deliveries) delivery.close();
  const value = (JOBS * each * CHUNK_BYTES) / 1e6 / seconds;
  return [
    { what: `log of ${JOBS} jobs, before compression`, value, unit: 'MB/s', least: 100 },
    toP99('lag of a reader that follows', alone, { most: 500 }),
    toP99('lag of a reader beside that load', await beside, { most: 500 }),
  ];
}

/** @param {number} seed */
const toChunk = (seed) => gzipSync(toLogLines(seed), { level: GZIP_LEVEL });

/** A piece of a log like Ansible's, which gzip reduces to about a tenth. @param {number} seed */
export function toLogLines(seed) {
  let text = '';
  for (let line = 0; text.length < CHUNK_BYTES; line += 1) {
    const host = `x${1000 + ((line * 7 + seed) % 900)}c${line % 8}s${line % 3}b0n${line % 2}`;
    text += `${['ok', 'changed', 'skipping'][(line * line + seed) % 3]}: [${host}] => (item=package-${(line * 7919 * (seed + 1)) % 100_003})\n`;
  }
  return text.slice(0, CHUNK_BYTES);
}

/** @param {import('./requests.mjs').Site} site @param {Buffer} key @param {string} jobId */
export function openDelivery({ url }, key, jobId) {
  const token = createHmac('sha256', key).update(`job:${jobId}`).digest('base64url');
  const agent = createAgent(1);
  let offset = 0;
  return {
    name: toJobName(jobId),
    /** @param {Uint8Array} gzip @param {number} size */
    async append(gzip, size) {
      const headers = {
        'Content-Type': 'application/partial-upload',
        'Content-Encoding': 'gzip',
        'Upload-Offset': String(offset),
        Authorization: `Bearer ${token}`,
      };
      const path = `${url}/jobs/${jobId}/phases/ansible-0/log`;
      await send(path, { method: 'PATCH', raw: gzip, headers, agent });
      offset += size;
    },
    close: () => agent.destroy(),
  };
}

/** @typedef {ReturnType<typeof openDelivery>} Delivery */

/**
 * @param {Delivery} delivery @param {readonly Uint8Array[]} chunks @param {number} count @param {AbortSignal} signal
 */
export async function deliver(delivery, chunks, count, signal) {
  for (let sent = 0; sent < count; sent += 1) {
    signal.throwIfAborted();
    await delivery.append(chunks[sent % chunks.length] ?? new Uint8Array(), CHUNK_BYTES);
  }
}

/**
 * Milliseconds from the moment at which each line was due until the reader has it. Collects until `over`.
 * @param {import('./requests.mjs').Site} site @param {Delivery} delivery @param {AbortSignal} over
 */
async function measureLag({ url, signal }, delivery, over) {
  const following = request(`${url}/v3/sessions/${delivery.name}/logs?phase=ansible-0&follow=true`);
  following.end();
  const [response] = await once(following, 'response');
  /** @type {number[]} */
  const lags = [];
  let rest = '';
  response.setEncoding('utf8');
  response.on('data', (/** @type {string} */ text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) lags.push(performance.now() - Number(line));
  });
  response.on('error', () => undefined);
  let sent = 0;
  for (let due = performance.now(); !over.aborted; due += 1000 / LINES_PER_SECOND) {
    await pause(signal, Math.max(0, due - performance.now()));
    const line = Buffer.from(`${due}\n`);
    await delivery.append(gzipSync(line), line.length);
    sent += 1;
  }
  while (lags.length < sent) await pause(signal);
  following.destroy();
  delivery.close();
  return lags;
}
