import {
  ScheduleAlreadyRunning,
  ScheduleOverlapPolicy,
  type Client,
  type ScheduleOptions,
} from '@temporalio/client';
import type { SweepWorkflow } from '../workflows/index.js';
import type { SweepSchedule } from './interfaces.js';

/** Creates the Schedule, or updates the interval of an existing one. To be repeated: an emptied Temporal has lost it. */
export async function ensureSweepSchedule(client: Client, schedule: SweepSchedule): Promise<void> {
  const options = toScheduleOptions(schedule);
  try {
    await client.schedule.create(options);
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    const handle = client.schedule.getHandle(schedule.id);
    const { spec } = await handle.describe();
    if (spec.intervals?.[0]?.every === schedule.intervalSeconds * 1000) return;
    await handle.update((present) => ({ ...present, spec: options.spec }));
  }
}

function toScheduleOptions({ id, intervalSeconds }: SweepSchedule) {
  return {
    scheduleId: id,
    spec: { intervals: [{ every: `${intervalSeconds}s` }] },
    action: {
      type: 'startWorkflow',
      workflowType: 'SweepWorkflow' satisfies (typeof SweepWorkflow)['name'],
      workflowId: id,
      taskQueue: id,
      args: [],
      staticSummary: 'compare records with workflows',
    },
    // The next sweep makes up for a missed one.
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '10s' },
    memo: {},
    // If the schedule is new, Temporal may be new too and lack the workflows of sessions that exist.
    state: { triggerImmediately: true },
  } satisfies ScheduleOptions;
}
