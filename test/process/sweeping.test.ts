import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { NativeConnection } from '@temporalio/worker';
import { pino } from 'pino';
import { createOrchestrator } from '../../src/clients/temporal.js';
import { startSweeping } from '../../src/process/sweeping.js';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import { BUNDLE } from '../support/session-worker.js';
import { openTemporal, type TestTemporal } from '../support/temporal.js';

let temporal: TestTemporal;
let directory: string;

beforeAll(async () => {
  temporal = await openTemporal();
  directory = await mkdtemp(join(tmpdir(), 'keelson-sweeping-'));
});
afterAll(async () => {
  await temporal.close();
  await rm(directory, { recursive: true });
});

describe('startSweeping', () => {
  // There Temporal hooks into every promise of the process, and those of API and activities take ten times as long and more.
  test('runs no workflow in the main thread', async () => {
    const { address } = temporal;
    const store = await openSqliteStore({ path: join(directory, 'keelson.db') });
    const orchestrator = createOrchestrator({ address, namespace: 'default', taskQueue: 'q' });
    const connection = await NativeConnection.connect({ address });
    const before = process.listeners('unhandledRejection');
    const sweeping = await startSweeping({
      ...{ store, orchestrator, logger: pino({ level: 'silent' }) },
      now: () => new Date().toISOString(),
      intervalSeconds: 3600,
      observer: { onAct: () => undefined, onEnd: () => undefined },
      hardware: {
        fetchHardwareState: () => Promise.reject(new Error('not asked')),
        fetchNodes: () => Promise.reject(new Error('not asked')),
        source: 'none',
      },
      requireRoom: () => Promise.resolve(),
      worker: { connection, workflowBundle: { codePath: BUNDLE } },
    });
    try {
      expect(process.listeners('unhandledRejection')).toEqual(before);
    } finally {
      await sweeping.close();
      await sweeping.worker.runUntil(Promise.resolve());
      await connection.close();
      await orchestrator.close();
      await store.close();
    }
  });
});
