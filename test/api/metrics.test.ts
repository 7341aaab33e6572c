import { afterEach, describe, expect, test } from '@jest/globals';
import { Registry } from 'prom-client';
import { createJobApp } from '../../src/api/job-app.js';
import { createApiMetrics } from '../../src/metrics/api-metrics.js';
import { readSamples, readValue } from '../support/exposition.js';
import { waitFor } from '../support/wait.js';
import { openService, type TestService } from './service.js';

const READ_TOKEN = 'read-token-0123456789';

let service: TestService;
afterEach(() => service.close());

async function open(changes: Parameters<typeof openService>[0] = {}): Promise<Registry> {
  const registry = new Registry();
  service = await openService({ registry, metrics: createApiMetrics(registry), ...changes });
  return registry;
}

const readRequests = async (registry: Registry) =>
  readSamples(await registry.metrics(), 'keelson_http_request_duration_seconds_count').map(
    ({ labels: { method, route, status }, value }) => [method, route, status, value],
  );

describe('GET /metrics', () => {
  test('answers in the text format of Prometheus', async () => {
    await open();
    const { status, headers, body } = await service.ask('GET', '/metrics');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(body).toMatch(/^# TYPE keelson_followers gauge$/m);
  });

  test('needs a token that may read', async () => {
    const tokens = [{ token: READ_TOKEN, role: 'read', name: 'prometheus' } as const];
    await open({ auth: { kind: 'tokens', tokens } });
    expect((await service.ask('GET', '/metrics')).status).toBe(401);
    const authorization = `Bearer ${READ_TOKEN}`;
    const { status } = await service.ask(
      'GET',
      '/metrics',
      undefined,
      new Headers({ authorization }),
    );
    expect(status).toBe(200);
  });

  test('does not exist, nor in the document, if metrics have their own address', async () => {
    const metrics = createApiMetrics(new Registry());
    service = await openService({ metrics });
    expect((await service.ask('GET', '/metrics')).status).toBe(404);
    const { body } = await service.ask('GET', '/openapi.json');
    expect(Object.keys((body as { paths: object }).paths)).not.toContain('/metrics');
  });
});

describe('the metrics of requests', () => {
  test('have patterns of paths as labels, whatever callers send', async () => {
    const registry = await open();
    for (const [method, path] of [
      ['GET', '/v3/sessions/one'],
      ['GET', '/apis/cfs/v3/sessions/two?any=thing'],
      ['DELETE', '/v3/sessions'],
      ['PATCH', '/v3/sessions'],
      ['GET', '/v2/sessions'],
      ['GET', '/no/such/path'],
      ['BREW', '/healthz/live'],
      ['GET', '/'],
      ['PUT', '/jobs/cfs-a-1/phases/one'],
    ] as const)
      await service.ask(method, path);
    expect(await readRequests(registry)).toEqual([
      ['GET', '/v3/sessions/:session_name', '4xx', 2],
      ['DELETE', '/v3/sessions', '2xx', 1],
      ['PATCH', '/v3/sessions', '4xx', 1],
      ['GET', '/v2/sessions', '2xx', 1],
      ['GET', 'none', '4xx', 1],
      ['other', '/healthz/live', '4xx', 1],
      ['GET', '/', '2xx', 1],
      ['PUT', '/jobs/:job/phases/:phase', '4xx', 1],
    ]);
  });

  test('include requests of jobs at their own address', async () => {
    const registry = await open();
    await createJobApp(service.deps).request('/jobs/cfs-a-1/phases/one/log');
    expect(await readRequests(registry)).toEqual([
      ['GET', '/jobs/:job/phases/:phase/log', '4xx', 1],
    ]);
  });
});

describe('the metrics of followers', () => {
  test('count the present followers', async () => {
    const registry = await open();
    await service.ask('POST', '/v3/sessions', { name: 'a', configuration_name: 'debug_noop' });
    const followers = async () => readValue(await registry.metrics(), 'keelson_followers');
    const readers = [];
    for (const path of ['/v3/sessions/a/events', '/v3/sessions/a/logs?follow=true'])
      readers.push((await service.app.request(path)).body?.getReader());
    // A stream that is not read does not count as a follower.
    for (const reader of readers) void readOn(reader);
    await waitFor(async () => (await followers()) === 2);
    for (const reader of readers) await reader?.cancel();
    await waitFor(async () => (await followers()) === 0);
  });
});

async function readOn(reader: ReadableStreamDefaultReader | undefined): Promise<void> {
  while ((await reader?.read())?.done === false);
}
