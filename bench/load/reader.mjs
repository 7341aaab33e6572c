import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { CHUNK_BYTES, deliver, GZIP_LEVEL, openDelivery, toLogLines } from '../api/deliveries.mjs';
import { toJobStatements } from '../api/records.mjs';
import { startApi } from '../api/service.mjs';
import { readMemory } from '../memory.mjs';

const BYTES = 2e9;
const READERS = 20;

/**
 * Clients that follow a growing log, half of them as events, but never read. After a quarter of the log the API has the
 * memory that it needs anyway; any growth from then to the end would be data kept for these clients.
 * @param {import('./bench-load.mjs').Site} site @returns {Promise<import('../api/figures.mjs').Figure[]>}
 */
export async function measureReader({ database, scale, signal }) {
  const api = await startApi(database.data, database.environment, signal);
  const sockets = [];
  try {
    const jobId = 'cfs-reader-0123abcd';
    await database.execute(toJobStatements([jobId]));
    const key = Buffer.from(readFileSync(join(database.data, 'master.key'), 'utf8').trim(), 'hex');
    const delivery = openDelivery({ url: api.url, scale, signal }, key, jobId);
    for (let index = 0; index < READERS; index += 1)
      sockets.push(await follow(api.url, delivery.name, index % 2 === 1));
    const chunks = [gzipSync(toLogLines(0), { level: GZIP_LEVEL })];
    const count = Math.ceil((BYTES * scale) / CHUNK_BYTES);
    const quarter = Math.ceil(count / 4);
    await deliver(delivery, chunks, quarter, signal);
    const before = readMemory(api.pid).resident;
    await deliver(delivery, chunks, count - quarter, signal);
    const after = readMemory(api.pid).resident;
    const gigabytes = ((count * CHUNK_BYTES) / 1e9).toFixed(2);
    return [
      {
        ...{
          what: `${READERS} readers that do not read ${gigabytes} GB: memory of the API grows by`,
        },
        ...{ value: (after - before) / 1e6, unit: 'MB', most: 64, more: { after: after / 1e6 } },
      },
    ];
  } finally {
    for (const socket of sockets) socket.destroy();
    await api.close();
  }
}

/** Waits for the first bytes, then reads nothing more. @param {string} url @param {string} name @param {boolean} events */
async function follow(url, name, events) {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const accept = events ? 'text/event-stream' : '*/*';
  const path = `/v3/sessions/${name}/logs?phase=ansible-0&follow=true`;
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAccept: ${accept}\r\n\r\n`);
  await once(socket, 'readable');
  return socket;
}
