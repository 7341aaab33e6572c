import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createStillness } from '../../src/clients/stillness.js';
import { ensureSweepSchedule } from '../../src/clients/temporal-schedules.js';
import { openTemporal, type TestTemporal } from '../support/temporal.js';
import { waitFor } from '../support/wait.js';

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
      await ensureSweepSchedule(schedule, createStillness(), { id, intervalSeconds });
      expect(await handle.describe()).toMatchObject({
        spec: { intervals: [{ every: intervalSeconds * 1000 }] },
        action: { workflowType: 'SweepWorkflow', workflowExecutionTimeout: 900_000 },
        state: { paused: true },
      });
    }
    await handle.delete();
  });

  test('triggers a sweep that is late, as after the clock of Temporal was set back, unless it is paused', async () => {
    const id = `keelson-sweep-${randomBytes(4).toString('hex')}`;
    const { schedule } = temporal.client;
    let clock = 0;
    const stillness = createStillness(() => clock);
    const ensure = () => ensureSweepSchedule(schedule, stillness, { id, intervalSeconds: 86_400 });
    const handle = schedule.getHandle(id);
    const readTaken = async () => (await handle.describe()).info.numActionsTaken;
    const act = async (actions: number) =>
      waitFor(async () => (await readTaken()) === actions, { what: `action ${actions}` });
    await ensure();
    await act(1);
    for (let seconds = 0; seconds <= 86_400; seconds += 43_200) {
      await ensure();
      clock += 43_200_000;
    }
    expect(await readTaken()).toBe(1);
    const workflow = temporal.client.workflow.getHandle(
      (await handle.describe()).info.recentActions[0]?.action.workflow.workflowId ?? '',
    );
    await workflow.terminate();
    await ensure();
    await act(2);
    await handle.pause();
    await ensure();
    clock += 172_800_000;
    await ensure();
    expect(await readTaken()).toBe(2);
    await handle.delete();
  });
});
