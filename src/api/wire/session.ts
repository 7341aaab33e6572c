import { z } from '@hono/zod-openapi';
import type { Session, SessionRequest, Target } from '../../core/session.js';
import type { Hold } from '../../store/store.js';
import { boundedText, tags, text, toZoneless, word } from './values.js';

const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

const definition = z.enum(['image', 'spec', 'repo', 'dynamic']);
const group = z.object({ name: text(), members: z.array(text()) });
const imageMapEntry = z.object({ source_id: text(), result_name: text() });

/** The one object that takes unknown members, and drops them. */
const TargetCreate = z
  .object({
    definition: definition.default('dynamic'),
    groups: z.array(group).optional(),
    image_map: z.array(imageMapEntry).optional(),
  })
  .openapi('SessionTargetCreate');

export const SessionCreate = z
  .strictObject({
    name: text().min(1).max(45).regex(NAME, 'Must be a name as Kubernetes has them'),
    configuration_name: boundedText(1, 60),
    configuration_limit: text().default(''),
    ansible_limit: word().default(''),
    ansible_config: text()
      .regex(/^(?!\.{1,2}$)[^/]*$/, 'Must be the name of a file, without a path')
      .default(''),
    ansible_verbosity: z.int().min(0).max(4).default(0),
    ansible_passthrough: text().default(''),
    target: TargetCreate.default({ definition: 'dynamic' }),
    tags: tags().default({}),
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

export const CancelRequest = z
  .strictObject({ reason: boundedText(0, 200).optional() })
  .openapi('SessionCancel', { example: { reason: 'wrong configuration' } });

export const sessionParams = z.object({
  session_name: z.string().openapi({ example: 'compute-0' }),
});

export const ReleaseRequest = z.strictObject({}).openapi('SessionRelease', { example: {} });

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
  held_until: z
    .string()
    .nullable()
    .openapi({ description: 'The phase has failed, and waits until then to be looked at.' }),
  hold_command: z.string().nullable().openapi({ description: 'Opens a shell there.' }),
});

export const SessionWire = z
  .object({
    name: z.string(),
    configuration: z.object({ name: z.string(), limit: z.string() }),
    ansible: z.object({
      config: z.string(),
      limit: z.string(),
      verbosity: z.int(),
      passthrough: z.string(),
    }),
    target: TargetWire,
    status: z.object({
      artifacts: z.array(
        z.object({ image_id: z.string(), result_id: z.string(), type: z.string() }),
      ),
      session: status,
    }),
    tags: tags(),
    debug_on_failure: z.boolean(),
    logs: z.string().nullable(),
  })
  .openapi('V3Session');

/** `defaultAnsibleConfig` stands in for one that is absent or empty. */
export function fromSessionCreate(
  body: z.output<typeof SessionCreate>,
  defaultAnsibleConfig: string,
): SessionRequest {
  return {
    name: body.name,
    configurationName: body.configuration_name,
    configurationLimit: body.configuration_limit,
    ansibleLimit: body.ansible_limit,
    ansibleConfig: body.ansible_config === '' ? defaultAnsibleConfig : body.ansible_config,
    ansibleVerbosity: body.ansible_verbosity,
    ansiblePassthrough: body.ansible_passthrough,
    target: fromTarget(body.target),
    tags: body.tags,
    debugOnFailure: body.debug_on_failure,
  };
}

/** `hold`: what is held now. */
export function toSessionWire(session: Session, hold?: Hold): z.output<typeof SessionWire> {
  const { request } = session;
  return {
    name: session.name,
    configuration: { name: request.configurationName, limit: request.configurationLimit },
    ansible: {
      config: request.ansibleConfig,
      limit: request.ansibleLimit,
      verbosity: request.ansibleVerbosity,
      passthrough: request.ansiblePassthrough,
    },
    target: toTargetWire(request.target),
    status: {
      artifacts: session.artifacts.map(({ imageId, resultId, type }) => ({
        image_id: imageId,
        result_id: resultId,
        type,
      })),
      session: toStatus(session, hold),
    },
    tags: { ...request.tags },
    debug_on_failure: request.debugOnFailure,
    logs: null,
  };
}

function fromTarget(target: z.output<typeof TargetCreate>): Target {
  return {
    definition: target.definition,
    ...(target.groups === undefined ? {} : { groups: target.groups }),
    ...(target.image_map === undefined
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

function toStatus(session: Session, hold: Hold | undefined): z.output<typeof status> {
  const { outcome, completedAt } = session;
  return {
    job: session.claimedAt === undefined ? null : session.jobId,
    ims_job: session.imsJob ?? null,
    start_time: toZoneless(session.createdAt),
    completion_time: completedAt === undefined ? null : toZoneless(completedAt),
    status: session.state,
    succeeded: outcome?.succeeded ?? 'none',
    reason: outcome?.reason ?? null,
    message: outcome?.message ?? null,
    phase: outcome?.phase ?? session.phase ?? null,
    host: outcome?.host ?? null,
    task: outcome?.task ?? null,
    held_until: hold?.until ?? null,
    hold_command: hold?.command ?? null,
  };
}
