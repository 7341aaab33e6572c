import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Registry } from 'prom-client';
import { addSessionMetrics } from '../../src/metrics/session-metrics.js';
import { observeStore } from '../../src/metrics/store-metrics.js';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import type { Store } from '../../src/store/store.js';
import { readSamples, readValue } from '../support/exposition.js';
import { addPlannedSession, aNewSession, at } from '../support/store-builders.js';

const PHASE = 'ansible-0';

let directory: string;
let store: Store;
let registry: Registry;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keelson-metrics-'));
  registry = new Registry();
  store = observeStore(await openSqliteStore({ path: join(directory, 'keelson.db') }), registry);
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true });
});

const read = async (name: string, labels: Readonly<Record<string, string>> = {}) =>
  readValue(await registry.metrics(), name, labels);

describe('observeStore', () => {
  test('counts the bytes of log that were stored', async () => {
    const jobId = await addPlannedSession(store);
    await store.logs.append(jobId, PHASE, 0, Buffer.from('hello'));
    await store.logs.append(jobId, PHASE, 9, Buffer.from('too far'));
    expect(await read('keelson_log_received_bytes_total')).toBe(5);
  });

  test.each([
    [{ kind: 'exited', exitCode: 0, startedAt: at(0), endedAt: at(70) }, 'success', 70],
    [{ kind: 'exited', exitCode: 2, startedAt: at(0), endedAt: at(2) }, 'failure', 2],
    [{ kind: 'killed', reason: 'timeout', startedAt: at(5), endedAt: at(4) }, 'timeout', 0],
  ] as const)('measures a phase that ended as %j', async (result, label, seconds) => {
    const jobId = await addPlannedSession(store);
    expect(await store.phases.seal(jobId, PHASE, result, at(90))).toBe(true);
    expect(await store.phases.seal(jobId, PHASE, result, at(91))).toBe(false);
    const labels = { kind: 'ansible', result: label };
    expect(await read('keelson_phase_duration_seconds_count', labels)).toBe(1);
    expect(await read('keelson_phase_duration_seconds_sum', labels)).toBe(seconds);
  });

  test('measures no phase that never ran', async () => {
    const jobId = await addPlannedSession(store);
    const unstarted = { kind: 'unstarted', reason: 'skipped', message: '' } as const;
    await store.phases.seal(jobId, PHASE, unstarted, at(1));
    expect(readSamples(await registry.metrics(), 'keelson_phase_duration_seconds_count')).toEqual(
      [],
    );
  });

  test('counts each end once, by how it came', async () => {
    const name = 'keelson_sessions_ended_total';
    expect(await read(name, { succeeded: 'true', reason: '' })).toBe(0);
    const jobId = await addPlannedSession(store);
    const lost = { succeeded: 'unknown', reason: 'JOB_LOST' } as const;
    await store.sessions.recordOutcome(jobId, lost, at(1));
    await store.sessions.recordOutcome(jobId, lost, at(2));
    expect(await read(name, lost)).toBe(1);

    await store.sessions.insert(aNewSession('b'));
    await store.sessions.requestCancel('b', { at: at(3) });
    await store.sessions.requestCancel('b', { at: at(4) });
    expect(await read(name, { succeeded: 'false', reason: 'CANCELLED' })).toBe(1);

    await store.sessions.insert({ ...aNewSession('c'), external: true });
    const complete = {
      patched: {},
      state: 'complete',
      succeeded: 'true',
      createdAt: at(0),
      completedAt: at(1),
    } as const;
    await store.sessions.patch('c', () => complete);
    await store.sessions.patch('c', () => complete);
    expect(await read(name, { succeeded: 'true', reason: '' })).toBe(1);
  });
});

describe('addSessionMetrics', () => {
  test('counts the sessions that wait for hosts', async () => {
    for (const name of ['one', 'two', 'three']) {
      const jobId = await addPlannedSession(store, name);
      await store.sessions.claim(jobId, { at: at(1) });
      const hosts = [name === 'two' ? 'x2' : 'x1'];
      await store.admission.requestHosts(jobId, { hosts, at: at(2), since: at(2) });
    }
    addSessionMetrics(registry, store, { warn: () => undefined });
    const text = await registry.metrics();
    expect(readValue(text, 'keelson_sessions_waiting_for_hosts')).toBe(1);
    expect(readValue(text, 'keelson_sessions_queued')).toBe(0);
  });

  test('counts silent hosts', async () => {
    for (const [name, others] of [
      ['one', 0],
      ['two', 4],
      ['over', 8],
    ] as const) {
      const jobId = await addPlannedSession(store, name);
      const silence = { task: 'Mount', since: at(1), hosts: 3, names: ['x1'], others };
      await store.phases.tellSilence(jobId, PHASE, { sequence: 1, silence });
      if (name !== 'over') continue;
      await store.phases.seal(jobId, PHASE, { kind: 'killed', reason: 'stopped' }, at(2));
    }
    addSessionMetrics(registry, store, { warn: () => undefined });
    expect(readValue(await registry.metrics(), 'keelson_hosts_silent')).toBe(10);
  });

  test('counts sessions by state and reason, and what waits', async () => {
    await store.options.patch({ maxRunningSessions: 1 });
    const ended = await addPlannedSession(store, 'ended');
    await store.logs.append(ended, PHASE, 0, Buffer.from('text'));
    const outcome = { succeeded: 'false', reason: 'TASK_FAILED' } as const;
    await store.sessions.recordOutcome(ended, outcome, at(1));
    for (const name of ['one', 'two', 'three']) {
      const jobId = await addPlannedSession(store, name);
      if (name !== 'three') await store.sessions.claim(jobId, { at: at(2) });
      if (name === 'one') await store.sessions.markRunning(jobId);
    }
    addSessionMetrics(registry, store, { warn: () => undefined });
    const text = await registry.metrics();
    expect(readSamples(text, 'keelson_sessions')).toEqual([
      { labels: { state: 'pending', succeeded: 'none', reason: '' }, value: 2 },
      { labels: { state: 'running', succeeded: 'none', reason: '' }, value: 1 },
      { labels: { state: 'complete', ...outcome }, value: 1 },
    ]);
    expect(readValue(text, 'keelson_sessions_waiting_for_hosts')).toBe(0);
    expect(readValue(text, 'keelson_sessions_queued')).toBe(1);
    expect(readValue(text, 'keelson_dispatch_wishes_waiting')).toBe(3);
    expect(readValue(text, 'keelson_log_stored_bytes')).toBeGreaterThan(0);
    expect(readValue(text, 'keelson_database_up')).toBe(1);
  });

  test('says only that the database is down if it does not answer', async () => {
    const other = await openSqliteStore({ path: join(directory, 'other.db') });
    await other.close();
    const warnings: string[] = [];
    addSessionMetrics(registry, other, { warn: (_fields, message) => warnings.push(message) });
    const text = await registry.metrics();
    expect(readValue(text, 'keelson_database_up')).toBe(0);
    for (const name of ['keelson_sessions', 'keelson_sessions_queued', 'keelson_log_stored_bytes'])
      expect(readSamples(text, name)).toEqual([]);
    expect(warnings).toContain('metrics could not be read');
  });
});
