import { sql, type SqlBool } from 'kysely';
import { missing, ServiceError } from '../../core/errors.js';
import type { PhaseResult } from '../../core/job.js';
import type { Hold } from '../../core/release.js';
import type { Silence } from '../../core/silence.js';
import type { Connection } from '../database/database.js';
import { dropNulls, toEnd } from '../database/row-values.js';
import type { PhaseRow } from '../database/schema.js';
import type { PhaseRecord } from '../store.js';

export function toPhase(row: PhaseRow): PhaseRecord {
  return {
    jobId: row.job_id,
    name: row.name,
    kind: row.kind,
    title: row.title,
    position: row.position,
    state: row.state,
    logBytes: row.log_bytes,
    hostsFinal: row.hosts_final === 1,
    ...dropNulls({
      hostsWhole: row.hosts_whole === 1 ? true : null,
      result: toResult(row.result),
      startedAt: row.started_at,
      endedAt: toEnd(row.started_at, row.ended_at),
      reportedLogBytes: row.reported_log_bytes,
      reportedResult: toResult(row.reported_result),
      sealedAt: row.sealed_at,
      hold: toHold(row),
      reruns: row.reruns === 0 ? null : row.reruns,
      filesChanged: row.files_changed === 1 ? true : null,
      silence: row.sealed_at === null ? toSilence(row.silence) : null,
    }),
  };
}

function toResult(text: string | null): PhaseResult | null {
  return text === null ? null : (JSON.parse(text) as PhaseResult);
}

/** As it is stored. */
export interface StoredSilence {
  /** The sequence of the report with which it began. */
  readonly begun: number;
  readonly silence: Silence;
}

export function toSilence(text: string | null): Silence | null {
  return text === null ? null : (JSON.parse(text) as StoredSilence).silence;
}

export function toHold(row: PhaseRow): Hold | null {
  const { hold_since: since, hold_until: until, hold_command: command } = row;
  const { hold_rerun_at: at, hold_rerun_by: by } = row;
  if (since === null || until === null || command === null) return null;
  return {
    since,
    until,
    command,
    ...dropNulls({
      canRerun: row.hold_can_rerun === 1 ? true : null,
      releasedAt: row.hold_released_at,
      rerun: at === null || by === null ? null : { at, by },
    }),
  };
}

/** The phase has failed and is kept for debugging. */
export const isHeldAt = (at: string) =>
  sql<SqlBool>`sealed_at is null and hold_released_at is null and hold_rerun_at is null and hold_until > ${at}`;

/** Call it if a write to an open phase changed nothing. Throws if the phase is missing or sealed. */
export async function requireOpen(db: Connection, jobId: string, phase: string): Promise<void> {
  const query = db.selectFrom('phases').select('sealed_at').where('job_id', '=', jobId);
  const row = await query.where('name', '=', phase).executeTakeFirst();
  if (row === undefined) throw missing('Phase', `${phase} of ${jobId}`);
  if (row.sealed_at !== null) {
    throw new ServiceError('gone', `Phase ${phase} of ${jobId} is over and accepts nothing more.`);
  }
}
