import { z } from '@hono/zod-openapi';
import type { Session, SessionPatch, SessionRequest, Target, Wait } from '../../core/session.js';
import type { Hold } from '../../store/store.js';
import { SESSION, SESSION_CREATE, SESSION_PATCH, toV2, toV3 } from './v2-names.js';
import { anything, boundedText, MAX_NAME_V2, tags, text, toZoneless, word } from './values.js';

const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

const definition = z.enum(['image', 'spec', 'repo', 'dynamic']);
const group = z.object({ name: text(), members: z.array(text()) });
const imageMapEntry = z.object({ source_id: text(), result_name: text() });

/** The one object that takes unknown members, and drops them; null is what answers have where nothing was given. */
const TargetCreate = z
  .object({
    definition: definition.default('dynamic'),
    groups: z.array(group).nullish(),
    image_map: z.array(imageMapEntry).nullish(),
  })
  .openapi('SessionTargetCreate');

const create = {
  name: text()
    .min(1)
    .max(45)
    .regex(
      NAME,
      'Must be lower case letters, digits, "-" and ".", with a letter or digit at both ends',
    ),
  configuration_limit: text().default(''),
  ansible_config: text()
    .regex(/^(?!\.{1,2}$)[^/]*$/, 'Must be the name of a file, without a path')
    .default(''),
  ansible_verbosity: z.int().min(0).max(4).default(0),
  target: TargetCreate.default({ definition: 'dynamic' }),
  tags: tags().default({}),
};

export const SessionCreate = z
  .strictObject({
    ...create,
    configuration_name: boundedText(1, 60),
    ansible_limit: word().default(''),
    ansible_passthrough: text().default(''),
    debug_on_failure: z.boolean().default(false),
  })
  .openapi('V3SessionCreate', {
    example: {
      name: 'compute-1',
      configuration_name: 'compute',
      ansible_limit: 'x1000c0s0b0n0',
      tags: { bos_session: 'b-1' },
    },
  });

export const SessionCreateV2 = z
  .strictObject({
    name: create.name,
    configurationName: boundedText(1, MAX_NAME_V2),
    configurationLimit: create.configuration_limit,
    ansibleLimit: word().optional(),
    ansibleConfig: create.ansible_config,
    ansibleVerbosity: create.ansible_verbosity,
    ansiblePassthrough: text().optional(),
    target: create.target,
    tags: create.tags,
  })
  .openapi('V2SessionCreate', {
    example: { name: 'compute-1', configurationName: 'compute', ansibleLimit: 'x1000c0s0b0n0' },
  });

export const CancelRequest = z
  .strictObject({ reason: boundedText(0, 200).optional() })
  .openapi('SessionCancel', { example: { reason: 'wrong configuration' } });

export const sessionParams = z.object({
  session_name: text().openapi({ example: 'compute-0' }),
});

export const ReleaseRequest = z.strictObject({}).openapi('SessionRelease', { example: {} });

const members = z.record(text(), anything());
const patch = { artifacts: z.array(members).optional(), session: members.optional() };

/** The content of `status` has no schema in CFS; what it may be is told by `patchSession`. */
export const SessionPatchBody = z
  .strictObject({ status: z.object(patch).optional() })
  .openapi('SessionPatch', {
    example: { status: { session: { ims_job: '5c1a4a0e-4a6b-4c8e-9d5e-2f6f1f3f8f0a' } } },
  });

const TargetWire = z
  .object({
    definition,
    groups: z.array(group).nullable(),
    image_map: z.array(imageMapEntry).nullable(),
  })
  .openapi('SessionTarget');

const status = z.object({
  job: z.string().nullable(),
  ims_job: z.string().nullable(),
  start_time: z.string(),
  completion_time: z.string().nullable(),
  status: z.enum(['pending', 'running', 'complete']),
  succeeded: z.enum(['none', 'true', 'false', 'unknown']),
  reason: z.string().nullable().openapi({ description: 'One word: why it did not succeed.' }),
  message: z.string().nullable(),
  phase: z.string().nullable(),
  host: z.string().nullable(),
  task: z.string().nullable(),
  waiting_since: z
    .string()
    .nullable()
    .openapi({ description: 'The message says what it waits for; null: it waits for nothing.' }),
  queue_place: z.int().nullable().openapi({
    description: 'From 1: it waits until one of max_running_sessions has ended.',
  }),
  held_until: z
    .string()
    .nullable()
    .openapi({ description: 'The phase has failed, and waits until then to be looked at.' }),
  hold_command: z.string().nullable().openapi({ description: 'Opens a shell there.' }),
});

/** Those that a PATCH has added are as they were given. */
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

/** What both versions ask for, in the words of v3; v2 may leave the texts for Ansible out. */
export type SessionBody = Omit<
  z.output<typeof SessionCreate>,
  'ansible_limit' | 'ansible_passthrough' | 'debug_on_failure'
> &
  Partial<
    Pick<
      z.output<typeof SessionCreate>,
      'ansible_limit' | 'ansible_passthrough' | 'debug_on_failure'
    >
  >;

/** `defaultAnsibleConfig` stands in for one that is absent or empty. */
export function fromSessionCreate(body: SessionBody, defaultAnsibleConfig: string): SessionRequest {
  return {
    name: body.name,
    configurationName: body.configuration_name,
    configurationLimit: body.configuration_limit,
    ...(body.ansible_limit === undefined ? {} : { ansibleLimit: body.ansible_limit }),
    ansibleConfig: body.ansible_config === '' ? defaultAnsibleConfig : body.ansible_config,
    ansibleVerbosity: body.ansible_verbosity,
    ...(body.ansible_passthrough === undefined
      ? {}
      : { ansiblePassthrough: body.ansible_passthrough }),
    target: fromTarget(body.target),
    tags: body.tags,
    debugOnFailure: body.debug_on_failure ?? false,
  };
}

/** What the record does not hold: a link to the log, and what is held now. */
export interface SessionSurroundings {
  readonly logs?: string | null;
  readonly hold?: Hold;
  /** In the queue, from 1. */
  readonly place?: number;
  readonly wait?: Wait;
}

export function toSessionWire(
  session: Session,
  { logs = null, hold, place, wait }: SessionSurroundings = {},
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
      session: { ...toStatus(session, { hold, place, wait }), ...session.patched?.session },
    },
    tags: { ...request.tags },
    debug_on_failure: request.debugOnFailure,
    logs,
  };
}

export function fromSessionPatch(body: z.output<typeof SessionPatchBody>): SessionPatch {
  const { artifacts: added, session } = body.status ?? {};
  return {
    ...(added === undefined ? {} : { artifacts: added }),
    ...(session === undefined ? {} : { session }),
  };
}

export function fromSessionPatchV2(body: z.output<typeof SessionPatchBody>): SessionPatch {
  return fromSessionPatch(toV3(SESSION_PATCH, body) as z.output<typeof SessionPatchBody>);
}

export function fromSessionCreateV2(body: z.output<typeof SessionCreateV2>): SessionBody {
  return toV3(SESSION_CREATE, body) as SessionBody;
}

export function toSessionWireV2(session: Session): z.output<typeof SessionWireV2> {
  return toV2(SESSION, toSessionWire(session)) as z.output<typeof SessionWireV2>;
}

function fromTarget(target: z.output<typeof TargetCreate>): Target {
  return {
    definition: target.definition,
    ...(target.groups == null ? {} : { groups: target.groups }),
    ...(target.image_map == null
      ? {}
      : {
          imageMap: target.image_map.map(({ source_id, result_name }) => ({
            sourceId: source_id,
            resultName: result_name,
          })),
        }),
  };
}

function toTargetWire({ definition, groups, imageMap }: Target): z.output<typeof TargetWire> {
  return {
    definition,
    groups: groups?.map(({ name, members }) => ({ name, members: [...members] })) ?? null,
    image_map:
      imageMap?.map(({ sourceId, resultName }) => ({
        source_id: sourceId,
        result_name: resultName,
      })) ?? null,
  };
}

interface Now {
  readonly hold: Hold | undefined;
  readonly place: number | undefined;
  readonly wait: Wait | undefined;
}

function toStatus(session: Session, { hold, place, wait }: Now): z.output<typeof status> {
  const { outcome, completedAt } = session;
  return {
    job: session.claimedAt === undefined ? null : session.jobId,
    ims_job: session.imsJob ?? null,
    start_time: toZoneless(session.createdAt),
    completion_time: completedAt === undefined ? null : toZoneless(completedAt),
    status: session.state,
    succeeded: outcome?.succeeded ?? 'none',
    reason: outcome?.reason ?? null,
    message: outcome?.message ?? wait?.message ?? null,
    // Not that of a wait before the job runs: the phase never goes back.
    phase: outcome?.phase ?? session.phase ?? null,
    host: outcome?.host ?? null,
    task: outcome?.task ?? null,
    waiting_since: wait === undefined ? null : toZoneless(wait.since),
    queue_place: place ?? null,
    held_until: hold?.until ?? null,
    hold_command: hold?.command ?? null,
  };
}
