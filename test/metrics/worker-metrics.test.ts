import { expect, test } from '@jest/globals';
import { Registry } from 'prom-client';
import { createWorkerMetrics } from '../../src/metrics/worker-metrics.js';
import { readValue } from '../support/exposition.js';

test('the first defect of an activity is an increase', async () => {
  const registry = new Registry();
  createWorkerMetrics(registry, { maxWatchedJobs: 200, activities: ['launchJob'] });
  const labels = { activity: 'launchJob', fault: 'defect' };
  const value = readValue(await registry.metrics(), 'keelson_activity_failures_total', labels);
  expect(value).toBe(0);
});
