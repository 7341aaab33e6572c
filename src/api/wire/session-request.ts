import { z } from '@hono/zod-openapi';
import { toCheck } from '../../core/check-mode.js';
import { omitUndefined } from '../../core/omit-undefined.js';
import {
  MAX_LIMIT_CHARACTERS,
  type SessionPatch,
  type SessionRequest,
} from '../../core/session.js';
import { fromTarget, TargetCreate } from './session-target.js';
import { SESSION_CREATE, SESSION_PATCH, toV3 } from './v2-names.js';
import { anything, boundedText, MAX_NAME_V2, tags, text, word } from './values.js';

const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

function limit() {
  const most = MAX_LIMIT_CHARACTERS;
  return word().max(most, `Must not have more than ${most} characters`);
}

function sessionName(maxLength: number) {
  return text()
    .min(1)
    .max(maxLength)
    .regex(
      NAME,
      'Must be lower case letters, digits, "-" and ".", with a letter or digit at both ends',
    );
}

const create = {
  name: sessionName(45),
  configuration_limit: text().default('').openapi({
    description: 'Layers to apply, by name or index, separated by commas; empty: all.',
  }),
  ansible_config: text()
    .regex(/^(?!\.{1,2}$)[^/]*$/, 'Must be the name of a file, without a path')
    .default('')
    .openapi({
      description: 'Name of the `ansible.cfg` to use; empty: the option `default_ansible_config`.',
    }),
  ansible_verbosity: z
    .int()
    .min(0)
    .max(4)
    .default(0)
    .openapi({ description: 'How many `-v` `ansible-playbook` gets.' }),
  target: TargetCreate.default({ definition: 'dynamic' }),
  tags: tags().default({}).openapi({ description: 'Names and values to find sessions by.' }),
};

export const SessionCreate = z
  .strictObject({
    ...create,
    configuration_name: boundedText(1, 60).openapi({
      description:
        'Name of a stored configuration, or `debug_noop`, `debug_facts` or `debug_fail`.',
    }),
    ansible_limit: limit().default('').openapi({
      description: 'Hosts to run on, as for `--limit` of Ansible; empty: all of the target.',
    }),
    ansible_passthrough: text().default('').openapi({
      description: 'More options for `ansible-playbook`, split as a shell does.',
    }),
    debug_on_failure: z.boolean().default(false).openapi({
      description: 'Hold a playbook that fails, for up to `debug_wait_time` seconds.',
    }),
    check_mode: z
      .boolean()
      .default(false)
      .openapi({ description: 'Only report what would change: `--check --diff` of Ansible.' }),
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
    // Clients of v2 name a session after the image that it makes.
    name: sessionName(MAX_NAME_V2),
    configurationName: boundedText(1, MAX_NAME_V2),
    configurationLimit: create.configuration_limit,
    ansibleLimit: limit().optional(),
    ansibleConfig: create.ansible_config,
    ansibleVerbosity: create.ansible_verbosity,
    ansiblePassthrough: text().optional(),
    target: create.target,
    tags: create.tags,
  })
  .openapi('V2SessionCreate', {
    example: { name: 'compute-1', configurationName: 'compute', ansibleLimit: 'x1000c0s0b0n0' },
  });

type SessionCreateBody = z.output<typeof SessionCreate>;
type LeftOutByV2 = 'ansible_limit' | 'ansible_passthrough' | 'debug_on_failure' | 'check_mode';

/** The body of both versions, with the names of v3. */
export type SessionBody = Omit<SessionCreateBody, LeftOutByV2> &
  Partial<Pick<SessionCreateBody, LeftOutByV2>>;

export const CancelRequest = z
  .strictObject({ reason: boundedText(0, 200).optional() })
  .openapi('SessionCancel', { example: { reason: 'wrong configuration' } });

export const sessionParams = z.object({
  session_name: text().openapi({ example: 'compute-0' }),
});

export const HoldRequest = z.strictObject({}).openapi('SessionHoldRequest', { example: {} });

export const ReleaseRequest = z
  .strictObject({
    rerun: z.boolean().default(false).openapi({
      description: 'Run the failed playbook again, in the same session, instead of ending it.',
    }),
    hold_since: z.iso
      .datetime({ offset: true })
      .transform((value) => new Date(value).toISOString())
      .optional()
      .openapi({
        description:
          '`since` of the hold, as in `/phases`. With it a repeated request cannot end a later hold.',
      }),
  })
  .openapi('SessionRelease', { example: { rerun: true } });

/** Default of `name`: `<session>-retry-1`. */
export const RetryRequest = z
  .strictObject({ name: create.name.optional() })
  .openapi('SessionRetry', { example: { name: 'compute-1-again' } });

/** Default of `name`: `<session>-apply`. */
export const ApplyRequest = z
  .strictObject({ name: create.name.optional() })
  .openapi('SessionApply', { example: { name: 'compute-1-for-real' } });

const anyObject = z.record(text(), anything());
const patch = { artifacts: z.array(anyObject).optional(), session: anyObject.optional() };

/** CFS has no schema for the content of `status`; `patchSession` in core checks it. */
export const SessionPatchBody = z
  .strictObject({ status: z.object(patch).optional() })
  .openapi('SessionPatch', {
    example: { status: { session: { ims_job: '5c1a4a0e-4a6b-4c8e-9d5e-2f6f1f3f8f0a' } } },
  });

/** `defaultAnsibleConfig` replaces an empty `ansible_config`. */
export function fromSessionCreate(body: SessionBody, defaultAnsibleConfig: string): SessionRequest {
  const request: SessionRequest = omitUndefined({
    name: body.name,
    configurationName: body.configuration_name,
    configurationLimit: body.configuration_limit,
    ansibleLimit: body.ansible_limit,
    ansibleConfig: body.ansible_config === '' ? defaultAnsibleConfig : body.ansible_config,
    ansibleVerbosity: body.ansible_verbosity,
    ansiblePassthrough: body.ansible_passthrough,
    target: fromTarget(body.target),
    tags: body.tags,
    debugOnFailure: body.debug_on_failure ?? false,
  });
  return body.check_mode === true ? toCheck(request) : request;
}

export function fromSessionCreateV2(body: z.output<typeof SessionCreateV2>): SessionBody {
  return toV3(SESSION_CREATE, body) as SessionBody;
}

export function fromSessionPatch(body: z.output<typeof SessionPatchBody>): SessionPatch {
  const { artifacts: added, session } = body.status ?? {};
  return omitUndefined({ artifacts: added, session });
}

export function fromSessionPatchV2(body: z.output<typeof SessionPatchBody>): SessionPatch {
  return fromSessionPatch(toV3(SESSION_PATCH, body) as z.output<typeof SessionPatchBody>);
}
