import type { HostResult } from '../../core/job.js';
import { dropNulls } from '../database/row-values.js';
import type { HostResultRow } from '../database/schema.js';

export const HOST_COUNTERS = ['ok', 'changed', 'failed', 'skipped', 'unreachable'] as const;

export function toHostResult(row: HostResultRow): HostResult {
  const { phase, host, task, message } = row;
  return {
    phase,
    host,
    ...pickCounters(row),
    incomplete: row.incomplete === 1,
    ...dropNulls({ task, message }),
  };
}

export function pickCounters({
  ok,
  changed,
  failed,
  skipped,
  unreachable,
}: Pick<HostResult, (typeof HOST_COUNTERS)[number]>) {
  return { ok, changed, failed, skipped, unreachable };
}
