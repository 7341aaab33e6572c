import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { startCluster, type Cluster } from '../support/cluster.js';
import { readValue } from '../support/exposition.js';
import { createLightSite } from '../support/light-site.js';
import { describeWithPostgres, startPostgres, type PostgresServer } from '../support/postgres.js';
import { findFreePort } from '../support/ssh-host.js';
import { waitFor } from '../support/wait.js';

const RULES = join(import.meta.dirname, '..', '..', 'examples', 'prometheus-rules.yaml');

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}

/** API and worker as separate processes with PostgreSQL, each with metrics at an address of its own. */
describeWithPostgres('the metrics of API and worker', () => {
  let postgres: PostgresServer;
  let cluster: Cluster;
  let addresses: Readonly<Record<'api' | 'worker' | 'temporal', string>>;
  beforeAll(async () => {
    postgres = await startPostgres();
    const address = async () => `127.0.0.1:${await findFreePort()}`;
    addresses = { api: await address(), worker: await address(), temporal: await address() };
    cluster = await startCluster({
      hosts: [],
      environment: {
        DATABASE_URL: await postgres.createDatabase(),
        METRICS_LISTEN: addresses.api,
        WORKER_METRICS_LISTEN: addresses.worker,
        TEMPORAL_METRICS_LISTEN: addresses.temporal,
        SWEEP_INTERVAL: '1',
        // No host is reached over SSH.
        SSH_PRIVATE_KEY_FILE: '',
      },
    });
  });
  afterAll(async () => {
    await cluster.close();
    await postgres.close();
  });

  const scrape = async (part: keyof typeof addresses) =>
    (await fetch(`http://${addresses[part]}/metrics`)).text();

  test('follow a session from its start to its end', async () => {
    const site = await createLightSite(cluster);
    try {
      await site.hold(['one']);
      await waitFor(async () => readValue(await scrape('worker'), 'keelson_jobs_watched') === 1, {
        what: 'the phase to be watched',
      });
      site.release(['one']);
      await cluster.waitUntilComplete('one');
    } finally {
      site.close();
    }
    const ended = { succeeded: 'true', reason: '' };
    await waitFor(
      async () => readValue(await scrape('worker'), 'keelson_sessions_ended_total', ended) === 1,
      { what: 'the end to be counted' },
    );
    const worker = await scrape('worker');
    const phase = { kind: 'ansible', result: 'success' };
    expect(readValue(worker, 'keelson_phase_duration_seconds_count', phase)).toBe(1);
    const api = await scrape('api');
    expect(readValue(api, 'keelson_log_received_bytes_total')).toBeGreaterThan(0);
    expect(readValue(api, 'keelson_database_connections_max')).toBe(10);
    const posted = { method: 'POST', route: '/v3/sessions', status: '2xx' };
    expect(readValue(api, 'keelson_http_request_duration_seconds_count', posted)).toBe(1);
    expect(await scrape('temporal')).toMatch(/^temporal_activity_execution_latency/m);
    expect((await cluster.ask('GET', '/metrics')).status).toBe(404);
  });

  test('have every name that the example rules use', async () => {
    await waitFor(
      async () => (readValue(await scrape('worker'), 'keelson_sweeps_total') ?? 0) > 0,
      {
        what: 'a sweep',
      },
    );
    const told = (await scrape('api')) + (await scrape('worker'));
    const { groups } = parse(readFileSync(RULES, 'utf8')) as Rules;
    const expressions = groups.flatMap(({ rules }) => rules.map(({ expr }) => expr));
    const names = new Set(expressions.flatMap((expr) => expr.match(/keelson_\w+/g) ?? []));
    expect(names.size).toBeGreaterThan(10);
    expect([...names].filter((name) => !isTold(told, name))).toEqual([]);
  });
});

/** Looks for the type, which is reported even before anything with labels has happened. */
function isTold(text: string, name: string): boolean {
  return text.includes(`# TYPE ${name.replace(/_(?:count|sum|bucket)$/, '')} `);
}
