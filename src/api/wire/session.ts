import { z } from '@hono/zod-openapi';
import { describeCancelling } from '../../core/session-end.js';
import type { Hold } from '../../core/release.js';
import type { Session, Wait } from '../../core/session.js';
import { describeSilence, type Silence } from '../../core/silence.js';
import { TargetWire, toTargetWire } from './session-target.js';
import { SESSION, toV2 } from './v2-names.js';
import { tags, toZoneless } from './values.js';

const status = z.object({
  job: z.string().nullable(),
  ims_job: z.string().nullable(),
  start_time: z.string(),
  completion_time: z.string().nullable(),
  status: z.enum(['pending', 'running', 'complete']),
  succeeded: z.enum(['none', 'true', 'false', 'unknown']),
  reason: z
    .string()
    .nullable()
    .openapi({ description: 'Why the session did not succeed, in one word.' }),
  message: z.string().nullable(),
  phase: z.string().nullable(),
  host: z.string().nullable(),
  task: z.string().nullable(),
  waiting_since: z
    .string()
    .nullable()
    .openapi({ description: 'Since when it waits; `message` says for what. Null: no wait.' }),
  queue_place: z.int().nullable().openapi({
    description: 'Place in the queue, from 1, if as many sessions run as `max_running_sessions`.',
  }),
  held_until: z
    .string()
    .nullable()
    .openapi({ description: 'A phase has failed and is held until then.' }),
  hold_command: z
    .string()
    .nullable()
    .openapi({ description: 'Command that opens a shell in the held phase.' }),
  check_mode: z.boolean().openapi({ description: 'Ansible only reports what it would change.' }),
  apply_of: z
    .string()
    .nullable()
    .openapi({ description: 'Name of the check that this session applies, at the same commits.' }),
  retry_of: z
    .string()
    .nullable()
    .openapi({ description: 'Name of the session that this one retries.' }),
});

/** Artifacts that a PATCH has added are returned unchanged, whatever they contain. */
const artifacts = z.array(
  z
    .looseObject({
      image_id: z.unknown(),
      result_id: z.unknown(),
      type: z.unknown(),
    })
    .partial(),
);

const shared = {
  name: z.string(),
  configuration: z.object({ name: z.string(), limit: z.string() }),
  ansible: z.object({
    config: z.string(),
    limit: z.string().nullable(),
    verbosity: z.int(),
    passthrough: z.string().nullable(),
  }),
  target: TargetWire,
  tags: tags(),
};

export const SessionWire = z
  .object({
    ...shared,
    status: z.object({ artifacts, session: status }),
    debug_on_failure: z.boolean(),
    logs: z.string().nullable(),
  })
  .openapi('V3Session');

export const SessionWireV2 = z
  .object({
    ...shared,
    status: z.object({
      artifacts,
      session: z.object({
        job: status.shape.job,
        startTime: status.shape.start_time,
        completionTime: status.shape.completion_time,
        status: status.shape.status,
        succeeded: status.shape.succeeded,
      }),
    }),
  })
  .openapi('V2Session');

/** Members of an answer that are not in the session's record. */
export interface SessionSurroundings {
  /** Link to the log. */
  readonly logs?: string | null;
  readonly hold?: Hold;
  /** Its place in the queue, from 1. */
  readonly place?: number;
  readonly wait?: Wait;
  readonly silence?: Silence;
}

export function toSessionWire(
  session: Session,
  surroundings: SessionSurroundings = {},
): z.output<typeof SessionWire> {
  const { request } = session;
  return {
    name: session.name,
    configuration: { name: request.configurationName, limit: request.configurationLimit },
    ansible: {
      config: request.ansibleConfig,
      limit: request.ansibleLimit ?? null,
      verbosity: request.ansibleVerbosity,
      passthrough: request.ansiblePassthrough ?? null,
    },
    target: toTargetWire(request.target),
    status: {
      artifacts: [
        ...session.artifacts.map(({ imageId, resultId, type }) => ({
          image_id: imageId,
          result_id: resultId,
          type,
        })),
        ...(session.patched?.artifacts ?? []),
      ],
      session: { ...toStatus(session, surroundings), ...session.patched?.session },
    },
    tags: { ...request.tags },
    debug_on_failure: request.debugOnFailure,
    logs: surroundings.logs ?? null,
  };
}

export function toSessionWireV2(session: Session): z.output<typeof SessionWireV2> {
  return toV2(SESSION, toSessionWire(session)) as z.output<typeof SessionWireV2>;
}

/** The message of a session that is not complete: what it is waiting for. */
function toPresent(session: Session, { wait, silence }: SessionSurroundings): string | null {
  const parts = [describeCancelling(session), wait?.message, silence && describeSilence(silence)];
  return parts.filter((part) => part !== undefined).join('. ') || null;
}

function toStatus(session: Session, surroundings: SessionSurroundings): z.output<typeof status> {
  const { hold, place, wait } = surroundings;
  const { outcome, completedAt } = session;
  return {
    job: session.claimedAt === undefined ? null : session.jobId,
    ims_job: session.imsJob ?? null,
    start_time: toZoneless(session.createdAt),
    completion_time: completedAt === undefined ? null : toZoneless(completedAt),
    status: session.state,
    succeeded: outcome?.succeeded ?? 'none',
    reason: outcome?.reason ?? null,
    message:
      session.state === 'complete' ? (outcome?.message ?? null) : toPresent(session, surroundings),
    // `wait.phase` is not used: before the job runs it may name a later phase, so the phase shown would go back.
    phase: outcome?.phase ?? session.phase ?? null,
    host: outcome?.host ?? null,
    task: outcome?.task ?? null,
    waiting_since: wait === undefined ? null : toZoneless(wait.since),
    queue_place: place ?? null,
    held_until: hold?.until ?? null,
    hold_command: hold?.command ?? null,
    check_mode: session.request.checkMode ?? false,
    apply_of: session.request.applyOf ?? null,
    retry_of: session.request.retryOf ?? null,
  };
}
