import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ensureSweepSchedule } from '../../src/clients/temporal-schedules.js';
import { openTemporal, type TestTemporal } from '../support/temporal.js';

let temporal: TestTemporal;
beforeAll(async () => {
  temporal = await openTemporal();
});
afterAll(() => temporal.close());

describe('ensureSweepSchedule', () => {
  test('limits the time of a sweep, also in a Schedule of an earlier version, and changes the interval', async () => {
    const id = `keelson-sweep-${randomBytes(4).toString('hex')}`;
    const { schedule } = temporal.client;
    const handle = await schedule.create({
      scheduleId: id,
      spec: { intervals: [{ every: 60_000 }] },
      action: {
        ...{ type: 'startWorkflow', workflowType: 'SweepWorkflow', workflowId: id },
        ...{ taskQueue: id, args: [] },
      },
    });
    await handle.pause('a person said so');
    for (const intervalSeconds of [60, 30]) {
      await ensureSweepSchedule(schedule, { id, intervalSeconds });
      expect(await handle.describe()).toMatchObject({
        spec: { intervals: [{ every: intervalSeconds * 1000 }] },
        action: { workflowType: 'SweepWorkflow', workflowExecutionTimeout: 900_000 },
        state: { paused: true },
      });
    }
    await handle.delete();
  });
});
