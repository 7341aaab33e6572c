import {
  ScheduleAlreadyRunning,
  ScheduleOverlapPolicy,
  type ScheduleClient,
  type ScheduleOptions,
} from '@temporalio/client';
import { toRetentionSchedule, toSweepQueue } from '../core/names.js';
import type { RetentionWorkflow, SweepWorkflow } from '../workflows/index.js';
import type { SweepSchedule } from './interfaces.js';
import type { Stillness } from './stillness.js';

/**
 * Longer than an attempt of their one activity. A run that cannot end, because its code fails again and again, would otherwise
 * keep the next from beginning for ever.
 */
const SWEEP_TIMEOUT_MS = 900_000;
const RETENTION_TIMEOUT_MS = 7_200_000;
/** The interval at which CFS looks for old sessions. */
const RETENTION_MS = 300_000;

export function ensureSweepSchedule(
  schedules: ScheduleClient,
  stillness: Stillness,
  { id, intervalSeconds }: SweepSchedule,
): Promise<void> {
  return ensureSchedule(schedules, stillness, intervalSeconds * 1000, {
    scheduleId: id,
    action: {
      type: 'startWorkflow',
      workflowType: 'SweepWorkflow' satisfies (typeof SweepWorkflow)['name'],
      workflowId: id,
      taskQueue: id,
      workflowExecutionTimeout: SWEEP_TIMEOUT_MS,
      args: [],
      staticSummary: 'compare records with workflows',
    },
    // The next sweep makes up for a missed one.
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '10s' },
    // If the schedule is new, Temporal may be new too and lack the workflows of sessions that exist.
    state: { triggerImmediately: true },
  });
}

export function ensureRetentionSchedule(
  schedules: ScheduleClient,
  stillness: Stillness,
  deploymentId: string,
): Promise<void> {
  const id = toRetentionSchedule(deploymentId);
  return ensureSchedule(schedules, stillness, RETENTION_MS, {
    scheduleId: id,
    action: {
      type: 'startWorkflow',
      workflowType: 'RetentionWorkflow' satisfies (typeof RetentionWorkflow)['name'],
      workflowId: id,
      taskQueue: toSweepQueue(deploymentId),
      workflowExecutionTimeout: RETENTION_TIMEOUT_MS,
      args: [],
      staticSummary: 'remove what is old',
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1m' },
  });
}

/**
 * Creates the Schedule, or updates interval and time limit of an existing one, and triggers one that is late. To be repeated: an
 * emptied Temporal has lost it.
 */
async function ensureSchedule(
  schedules: ScheduleClient,
  stillness: Stillness,
  every: number,
  options: Omit<ScheduleOptions, 'spec'> & {
    readonly action: { readonly workflowExecutionTimeout: number };
  },
): Promise<void> {
  const spec = { intervals: [{ every }] };
  try {
    await schedules.create({ ...options, spec });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    const handle = schedules.getHandle(options.scheduleId);
    const { spec: present, action, info, state } = await handle.describe();
    const { numActionsTaken, numActionsSkippedOverlap } = info;
    const acts = state.paused ? undefined : `${numActionsTaken} ${numActionsSkippedOverlap}`;
    if (stillness.isLate(options.scheduleId, acts, every / 1000)) await handle.trigger();
    const { workflowExecutionTimeout } = options.action;
    const isSame = action.workflowExecutionTimeout === workflowExecutionTimeout;
    if (present.intervals?.[0]?.every === every && isSame) return;
    await handle.update((schedule) => ({
      ...schedule,
      spec,
      action: { ...schedule.action, workflowExecutionTimeout },
    }));
  }
}
