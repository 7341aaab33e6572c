import type { PhaseResult } from '../core/job.js';

/** `phases/<phase>.json`: written by the job's supervisor, and by the runner where a dead supervisor left it open. */
export interface PhaseRecord {
  readonly state: 'running' | 'ended';
  readonly started_at?: string | null;
  readonly ended_at?: string | null;
  readonly exit_code?: number | null;
  readonly killed?: string | null;
  readonly unstarted?: string | null;
  readonly log_bytes?: number | null;
  readonly log_head?: string | null;
  readonly log_tail?: string | null;
}

export const SKIPPED: PhaseResult = {
  kind: 'unstarted',
  reason: 'skipped',
  message: 'An earlier phase did not succeed.',
};

/** Undefined while the phase runs. */
export function toPhaseResult(record: PhaseRecord): PhaseResult | undefined {
  if (record.state !== 'ended') return undefined;
  if (typeof record.unstarted === 'string') return SKIPPED;
  const { started_at: startedAt, ended_at: endedAt, exit_code: exitCode, killed } = record;
  if (!killed && typeof exitCode === 'number' && startedAt && endedAt)
    return { kind: 'exited', exitCode, startedAt, endedAt };
  return {
    kind: 'killed',
    reason: isKillReason(killed) ? killed : 'lost',
    ...(startedAt ? { startedAt } : {}),
    ...(endedAt ? { endedAt } : {}),
  };
}

/** How the phases of a job end that was stopped before it was released. */
export function toStoppedResult(phases: readonly string[], phase: string): PhaseResult {
  return phases[0] === phase ? { kind: 'killed', reason: 'stopped' } : SKIPPED;
}

/**
 * The ends of phases that a supervisor left open: the one whose turn it was is interrupted, the others will never start.
 * `records` has every phase, in the order of the job.
 */
export function closePhases(
  records: readonly { readonly phase: string; readonly record: PhaseRecord | undefined }[],
  killed: 'stopped' | 'lost',
  endedAt: string,
): readonly { readonly phase: string; readonly record: PhaseRecord }[] {
  const open = records.filter(({ record }) => record?.state !== 'ended');
  const failed = records.some(
    ({ record }) => record?.state === 'ended' && !(record.exit_code === 0 && !record.killed),
  );
  return open.map(({ phase, record }, position) => ({
    phase,
    record:
      position === 0 && !failed
        ? { ...record, state: 'ended', ended_at: endedAt, killed }
        : { state: 'ended', unstarted: 'skipped' },
  }));
}

function isKillReason(text: string | null | undefined): text is 'stopped' | 'timeout' | 'memory' {
  return text === 'stopped' || text === 'timeout' || text === 'memory';
}
