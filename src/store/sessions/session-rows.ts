import type { Updateable } from 'kysely';
import { missing } from '../../core/errors.js';
import type {
  Artifact,
  DoneWork,
  KnownEnd,
  Outcome,
  Patched,
  Session,
  SessionRequest,
  Snapshot,
  Wait,
} from '../../core/session.js';
import type { Connection } from '../database/database.js';
import { dropNulls, toEnd } from '../database/row-values.js';
import type { Schema, SessionRow } from '../database/schema.js';

/** Throws fault `missing` if there is no such session. */
export async function getSession(db: Connection, jobId: string): Promise<Session> {
  const query = db.selectFrom('sessions').selectAll().where('job_id', '=', jobId);
  const row = await query.executeTakeFirst();
  if (row === undefined) throw missing('Session', jobId);
  return toSession(row);
}

export function toSession(row: SessionRow): Session {
  return addRequest(toSessionWithoutRequest(row), row);
}

/** `session` becomes whole. It is no copy, because lists make very many. */
export function addRequest(
  session: Omit<Session, 'request'>,
  row: Pick<SessionRow, 'request' | 'patched'>,
): Session {
  return Object.assign(session, {
    request: JSON.parse(row.request) as SessionRequest,
    ...(row.patched === null ? {} : { patched: JSON.parse(row.patched) as Patched }),
  });
}

export function toSessionWithoutRequest(
  row: Omit<SessionRow, 'request' | 'patched'>,
): Omit<Session, 'request' | 'patched'> {
  return {
    jobId: row.job_id,
    name: row.name,
    createdAt: row.created_at,
    desired: row.desired,
    dispatched: row.dispatched,
    attachOnly: row.attach_only === 1,
    admissionDue: row.admission_due === 1,
    external: row.external === 1,
    state: row.state,
    artifacts: toArtifacts(row.artifacts),
    ...dropNulls({
      cancelBy: row.cancel_by,
      cancelReason: row.cancel_reason,
      deletedAt: row.deleted_at,
      claimedAt: row.claimed_at,
      queuedAt: row.queued_at,
      admittedAt: row.admitted_at,
      waitsFor: row.waits_for,
      machine: row.machine,
      snapshot: row.snapshot === null ? null : (JSON.parse(row.snapshot) as Snapshot),
      done: row.done === null ? null : (JSON.parse(row.done) as DoneWork),
      launchedAt: row.launched_at,
      incarnation: row.incarnation,
      stoppedAt: row.stopped_at,
      teardownAt: row.teardown_at,
      outcome: toOutcome(row),
      // An external operator says itself when its sessions have ended.
      completedAt: row.external === 1 ? row.completed_at : toEnd(row.created_at, row.completed_at),
      phase: row.phase,
      waiting: row.waiting === null ? null : (JSON.parse(row.waiting) as Wait),
      knownEnd: row.known_end === null ? null : (JSON.parse(row.known_end) as KnownEnd),
      imsJob: row.ims_job,
    }),
  };
}

/** Most sessions have none, and a page has many sessions, so the empty list is not parsed. */
function toArtifacts(text: string): readonly Artifact[] {
  return text === '[]' ? [] : (JSON.parse(text) as readonly Artifact[]);
}

/** The columns of an outcome, with `state`, which is always written together with them. */
export function toOutcomeColumns(outcome: Outcome, at: string) {
  return {
    state: 'complete',
    waiting: null,
    completed_at: at,
    succeeded: outcome.succeeded,
    reason: outcome.reason ?? null,
    message: outcome.message ?? null,
    outcome_phase: outcome.phase ?? null,
    host: outcome.host ?? null,
    task: outcome.task ?? null,
  } satisfies Updateable<Schema['sessions']>;
}

function toOutcome(row: Omit<SessionRow, 'request' | 'patched'>): Outcome | null {
  if (row.succeeded === 'none') return null;
  const { reason, message, outcome_phase: phase, host, task } = row;
  return { succeeded: row.succeeded, ...dropNulls({ reason, message, phase, host, task }) };
}
