import { withHeartbeat } from './heartbeat.js';
import { sweep } from './sweep.js';
import type { SweepActKind, SweepDependencies, SweepReport } from './sweep-dependencies.js';

/** What the Web UI shows of a sweep: only numbers, so that its size does not depend on how much was done. */
export interface SweepSummary extends Readonly<Partial<Record<SweepActKind, number>>> {
  readonly examined: number;
  /** What it could not look at or put right; the log of the worker names each. */
  readonly failed?: number;
  readonly halted?: string;
}

export interface SweepActivities {
  readonly sweep: () => Promise<SweepSummary>;
}

export function createSweepActivities(
  dependencies: Omit<SweepDependencies, 'limit' | 'machineLostSeconds'>,
): SweepActivities {
  return {
    sweep: () =>
      withHeartbeat(async (signal) => {
        const { sweepLimit, machineLostAfter } = await dependencies.store.options.get();
        const now = { limit: sweepLimit, machineLostSeconds: machineLostAfter };
        return summarize(await sweep({ ...dependencies, ...now }, { dryRun: false }, signal));
      }),
  };
}

function summarize({ examined, entries, failures, halted }: SweepReport): SweepSummary {
  const counts: Partial<Record<SweepActKind, number>> = {};
  for (const { act } of entries) counts[act] = (counts[act] ?? 0) + 1;
  const failed = failures.length === 0 ? {} : { failed: failures.length };
  return { examined, ...counts, ...failed, ...(halted === undefined ? {} : { halted }) };
}
