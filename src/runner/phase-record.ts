import type { PhaseResult } from '../core/job.js';

/** `phases/<phase>.json`: written by the job's supervisor, or by the runner if a dead supervisor left it open. */
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
  /** Only in the message of a container: host results that the API did not take, signed. */
  readonly results?: string | null;
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

/** The results of the phases of a job that was stopped before its release. */
export function toStoppedResult(phases: readonly string[], phase: string): PhaseResult {
  return phases[0] === phase ? { kind: 'killed', reason: 'stopped' } : SKIPPED;
}

/**
 * Closes the phases that a supervisor left open: the current one was interrupted, the later ones will never start. `records`
 * has every phase, in order.
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
