import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { SweepActKind, SweepObserver } from '../activities/sweep-dependencies.js';
import { isServiceError } from '../core/errors.js';

export interface WorkerMetrics {
  readonly interceptor: ActivityInterceptorsFactory;
  readonly sweep: SweepObserver;
}

const ACTS = {
  ...{ admit: 0, restart: 0, record: 0, tell: 0, move: 0, lose: 0, end: 0 },
  ...{ notify: 0, forget: 0, remove: 0 },
} as const satisfies Record<SweepActKind, 0>;
/** The activities that watch the phases of a job. */
const OBSERVERS = ['gitClone', 'gitCloneHosts', 'inventory', 'ansible'];

interface WorkerFacts {
  readonly maxWatchedJobs: number;
  /** Their names. */
  readonly activities: readonly string[];
}

export function createWorkerMetrics(
  registry: Registry,
  { maxWatchedJobs, activities }: WorkerFacts,
): WorkerMetrics {
  const acts = new Counter({
    name: 'keelson_sweep_acts_total',
    help: 'Repairs by sweeps, by kind.',
    labelNames: ['act'],
    registers: [registry],
  });
  for (const act of Object.keys(ACTS)) acts.inc({ act }, 0);
  const sweeps = new Counter({
    name: 'keelson_sweeps_total',
    help: 'Sweeps of this process, by whether they finished.',
    labelNames: ['end'],
    registers: [registry],
  });
  for (const end of ['done', 'halted']) sweeps.inc({ end }, 0);
  const failures = new Counter({
    name: 'keelson_sweep_failures_total',
    help: 'What sweeps could not look at or put right. The log names each.',
    registers: [registry],
  });
  new Gauge({
    name: 'keelson_jobs_watched_max',
    help: 'Largest number of jobs that this worker watches at the same time: MAX_WATCHED_JOBS.',
    registers: [registry],
  }).set(maxWatchedJobs);
  return {
    interceptor: createInterceptor(registry, activities),
    sweep: {
      onAct: (act) => acts.inc({ act }),
      onEnd({ halted, failures: { length } }) {
        sweeps.inc({ end: halted === undefined ? 'done' : 'halted' });
        failures.inc(length);
      },
    },
  };
}

/** Must be the innermost interceptor, to see faults before they become failures of Temporal. */
function createInterceptor(
  registry: Registry,
  activities: readonly string[],
): ActivityInterceptorsFactory {
  const watched = new Gauge({
    name: 'keelson_jobs_watched',
    help: 'Jobs that this worker watches now.',
    registers: [registry],
  });
  const failures = new Counter({
    name: 'keelson_activity_failures_total',
    help: 'Failed attempts of activities, by fault; `defect` is an unexpected error.',
    labelNames: ['activity', 'fault'],
    registers: [registry],
  });
  // Prometheus sees no increase in a series that begins with 1.
  for (const activity of activities) failures.inc({ activity, fault: 'defect' }, 0);
  return ({ info: { activityType: activity } }) => ({
    inbound: {
      async execute(input, next) {
        const isObserver = OBSERVERS.includes(activity);
        if (isObserver) watched.inc();
        try {
          return await next(input);
        } catch (error) {
          const fault = toFaultLabel(error);
          if (fault !== undefined) failures.inc({ activity, fault });
          throw error;
        } finally {
          if (isObserver) watched.dec();
        }
      },
    },
  });
}

/** Undefined for a cancel or the shutdown of a worker, which are no failures. */
function toFaultLabel(error: unknown): string | undefined {
  if (isServiceError(error)) return error.fault;
  if (!(error instanceof Error)) return 'defect';
  if (['CancelledFailure', 'AbortError'].includes(error.name)) return undefined;
  // Activities that set the delay before their next attempt throw these; the type is the fault.
  return error instanceof ApplicationFailure ? (error.type ?? 'defect') : 'defect';
}
