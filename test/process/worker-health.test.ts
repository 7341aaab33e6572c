import { describe, expect, test } from '@jest/globals';
import { Hono } from 'hono';
import { addWorkerHealth } from '../../src/process/worker-health.js';

const ask = async (watchAge?: () => number) => {
  const app = new Hono();
  addWorkerHealth(app, watchAge);
  const response = await app.request('/healthz/ready');
  return [response.status, await response.json()];
};

describe('addWorkerHealth', () => {
  test('says that the process is alive', async () => {
    const app = new Hono();
    addWorkerHealth(app);
    expect((await app.request('/healthz/live')).status).toBe(200);
  });

  test.each<[string, (() => number) | undefined, number, object]>([
    ['watches nothing over a network', undefined, 200, { status: 'ok' }],
    ['hears', () => 30_000, 200, { status: 'ok', kubernetes_watch_age_seconds: 30 }],
    [
      'hears no more',
      () => 61_500,
      503,
      { status: 'not_available', kubernetes_watch_age_seconds: 61.5 },
    ],
    [
      'never heard',
      () => Infinity,
      503,
      { status: 'not_available', kubernetes_watch_age_seconds: null },
    ],
  ])('says whether a worker is ready that %s', async (_, watchAge, status, body) => {
    expect(await ask(watchAge)).toEqual([status, body]);
  });
});
