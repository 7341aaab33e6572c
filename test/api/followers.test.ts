import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createApp } from '../../src/api/app.js';
import { createEventStreams, type EventStreams } from '../../src/api/event-stream.js';
import type { Store } from '../../src/store/store.js';
import { waitFor } from '../support/wait.js';
import { openService, type TestService } from './service.js';

const FOLLOWERS = 500;
const AT = '2026-01-02T03:04:05.000Z';

/** Counts the API's reads of the store. */
interface Counts {
  subscriptions: number;
  looks: number;
  reads: number;
  bytes: number;
}

let service: TestService;
let streams: EventStreams;
let server: ReturnType<typeof serve>;
const agent = new Agent({ maxSockets: Infinity });
const counts: Counts = { subscriptions: 0, looks: 0, reads: 0, bytes: 0 };
beforeAll(async () => {
  service = await openService();
  streams = createEventStreams();
  const store = countUse(service.store);
  server = serve({ fetch: createApp({ ...service.deps, store, streams }).fetch, port: 0 });
  if (!server.listening) await once(server, 'listening');
});
afterAll(async () => {
  agent.destroy();
  const closed = once(server, 'close');
  server.close();
  if ('closeAllConnections' in server) server.closeAllConnections();
  await closed;
  await service.close();
});

function countUse(store: Store): Store {
  return {
    ...store,
    subscribe(listener) {
      counts.subscriptions += 1;
      const stop = store.subscribe(listener);
      return () => {
        counts.subscriptions -= 1;
        stop();
      };
    },
    phases: {
      ...store.phases,
      list(jobId) {
        counts.looks += 1;
        return store.phases.list(jobId);
      },
    },
    logs: {
      ...store.logs,
      async *read(jobId, phase, offset) {
        counts.reads += 1;
        for await (const chunk of store.logs.read(jobId, phase, offset)) {
          counts.bytes += chunk.length;
          yield chunk;
        }
      },
    },
  };
}

async function plan(name: string): Promise<string> {
  await service.ask('POST', '/v3/sessions', { name, configuration_name: 'debug_noop' });
  const { jobId } = (await service.store.sessions.find(name)) ?? { jobId: '' };
  await service.store.phases.savePlan(jobId, [
    { name: 'ansible-0', kind: 'ansible', title: 'ansible-0: site.yml' },
  ]);
  return jobId;
}

interface Reader {
  readonly response: IncomingMessage;
  bytes: number;
  text: string;
  isEnded: boolean;
}

async function open(path: string, accept = '*/*'): Promise<Reader> {
  const { port } = server.address() as AddressInfo;
  const asked = request({ host: '127.0.0.1', port, path, agent, headers: { accept } }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const reader: Reader = { response, bytes: 0, text: '', isEnded: false };
  response.on('error', () => undefined);
  response.on('end', () => (reader.isEnded = true));
  return reader;
}

function read(reader: Reader): void {
  reader.response.on('data', (data: Buffer) => {
    reader.bytes += data.length;
    if (reader.text.length < 4096) reader.text += data.toString();
  });
}

test(`${FOLLOWERS} followers of one log cost as much of the database as one`, async () => {
  const jobId = await plan('crowd');
  const path = '/v3/sessions/crowd/logs?follow=true';
  const readers = await Promise.all(
    Array.from({ length: FOLLOWERS }, (_, index) =>
      open(path, index % 2 === 0 ? '*/*' : 'text/event-stream'),
    ),
  );
  readers.forEach(read);
  expect(counts.subscriptions).toBe(1);
  const line = `${'x'.repeat(999)}\n`;
  const rounds = 20;
  const plain = readers.filter((_, index) => index % 2 === 0);
  const events = readers.filter((_, index) => index % 2 === 1);
  const lags: number[] = [];
  const cpu = process.cpuUsage();
  Object.assign(counts, { looks: 0, reads: 0 });
  for (let round = 0; round < rounds; round += 1) {
    const begin = performance.now();
    await service.store.logs.append(jobId, 'ansible-0', round * line.length, Buffer.from(line));
    const id = `/ansible-0/${(round + 1) * line.length}\n`;
    const end = (round + 1) * line.length;
    await waitFor(
      () =>
        plain.every(({ bytes }) => bytes === end) &&
        (round > 2 || events.every(({ text }) => text.includes(id))),
      { intervalMs: 2, what: `round ${round} to reach all` },
    );
    lags.push(performance.now() - begin);
  }
  const { user, system } = process.cpuUsage(cpu);
  if (process.env['SHOW_FIGURES'] !== undefined) {
    lags.sort((a, b) => a - b);
    process.stderr.write(
      `${FOLLOWERS} followers: lag median ${lags[rounds / 2]?.toFixed(0)} ms, most ${lags.at(-1)?.toFixed(0)} ms, ` +
        `CPU ${((user + system) / 1000 / rounds).toFixed(0)} ms a chunk, looks ${counts.looks}, reads ${counts.reads}\n`,
    );
  }
  // One read for each chunk, and some more if a change comes during a read.
  expect(counts.looks).toBeLessThanOrEqual(4 * rounds);
  expect(counts.reads).toBeLessThanOrEqual(4 * rounds);

  await service.store.sessions.recordOutcome(jobId, { succeeded: 'true' }, AT);
  await waitFor(() => readers.every(({ isEnded }) => isEnded));
  await waitFor(() => counts.subscriptions === 0);
});

test('a client that does not read delays no other and costs no memory', async () => {
  const jobId = await plan('slow');
  const size = 256 * 1024;
  const total = 64 * 1024 * 1024;
  const chunk = Buffer.alloc(size, 'y');
  const slow = await open('/v3/sessions/slow/logs?follow=true');
  const slowEvents = await open('/v3/sessions/slow/logs', 'text/event-stream');
  const quick = await open('/v3/sessions/slow/logs?follow=true');
  read(quick);
  counts.bytes = 0;
  const before = process.memoryUsage().rss;
  for (let offset = 0; offset < total; offset += size) {
    await service.store.logs.append(jobId, 'ansible-0', offset, chunk);
  }
  await waitFor(() => quick.bytes === total, { what: 'the quick one' });
  const growth = process.memoryUsage().rss - before;
  if (process.env['SHOW_FIGURES'] !== undefined) {
    process.stderr.write(`RSS grew by ${(growth / 1e6).toFixed(0)} MB over ${total / 1e6} MB\n`);
  }
  // The bytes that the quick client read, and what the buffers of the slow ones took.
  expect(counts.bytes).toBeLessThan(total + 24 * 1024 * 1024);
  await service.store.sessions.recordOutcome(jobId, { succeeded: 'true' }, AT);
  read(slow);
  await waitFor(() => slow.isEnded, { what: 'the slow one, when it reads' });
  expect(slow.bytes).toBe(total);
  slowEvents.response.destroy();
});

test('a service that stops ends event streams, so that their clients reconnect', async () => {
  await plan('stopping');
  const log = await open('/v3/sessions/stopping/logs', 'text/event-stream');
  const events = await open('/v3/sessions/stopping/events', 'text/event-stream');
  for (const reader of [log, events]) read(reader);
  await waitFor(() => events.text.includes('event: session'));
  await streams.close();
  await waitFor(() => log.isEnded && events.isEnded);
  expect(log.text + events.text).not.toContain('event: end');
  expect(log.response.complete && events.response.complete).toBe(true);
});
