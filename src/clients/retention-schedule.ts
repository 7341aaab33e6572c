import {
  ScheduleAlreadyRunning,
  ScheduleOverlapPolicy,
  type ScheduleClient,
  type ScheduleOptions,
} from '@temporalio/client';
import { toRetentionSchedule, toSweepQueue } from '../core/names.js';
import type { RetentionWorkflow } from '../workflows/index.js';

/** The interval at which CFS looks for old sessions. */
const INTERVAL_MS = 300_000;

/** Creates the Schedule, or updates the interval of an existing one. To be repeated: an emptied Temporal has lost it. */
export async function ensureRetentionSchedule(
  schedules: ScheduleClient,
  deploymentId: string,
): Promise<void> {
  const options = toScheduleOptions(deploymentId);
  try {
    await schedules.create(options);
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    const handle = schedules.getHandle(options.scheduleId);
    const { spec } = await handle.describe();
    if (spec.intervals?.[0]?.every === INTERVAL_MS) return;
    await handle.update((present) => ({ ...present, spec: options.spec }));
  }
}

function toScheduleOptions(deploymentId: string) {
  const id = toRetentionSchedule(deploymentId);
  return {
    scheduleId: id,
    spec: { intervals: [{ every: INTERVAL_MS }] },
    action: {
      type: 'startWorkflow',
      workflowType: 'RetentionWorkflow' satisfies (typeof RetentionWorkflow)['name'],
      workflowId: id,
      taskQueue: toSweepQueue(deploymentId),
      args: [],
      staticSummary: 'remove what is old',
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1m' },
    memo: {},
  } satisfies ScheduleOptions;
}
