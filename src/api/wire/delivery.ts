import { z } from '@hono/zod-openapi';
import { toMessage } from '../../core/message.js';
import type { PhaseResult } from '../../core/job.js';
import { omitUndefined } from '../../core/omit-undefined.js';
import type { Wait } from '../../core/session.js';
import type { NewHold } from '../../core/release.js';
import type { HostResults, PhaseReport, RerunReport, SilenceReport } from '../../store/store.js';
import { text } from './values.js';

/** Schemas of what jobs send. They drop unknown members, because a job may be newer than the API to which it delivers. */
const moment = z.iso.datetime({ offset: true }).transform((value) => new Date(value).toISOString());
const count = z.int().min(0);
/** A count that the database keeps in 32 bits. */
const smallCount = count.max(2 ** 31 - 1);

export const PhaseDelivery = z.object({
  state: z.enum(['running', 'ended']),
  started_at: moment,
  ended_at: moment.optional(),
  exit_code: z.int().optional(),
  killed: z.enum(['stopped', 'timeout', 'memory']).optional(),
  log_bytes: count.optional(),
});

const host = z.object({
  host: text().min(1),
  ok: count,
  changed: count,
  failed: count,
  skipped: count,
  unreachable: count,
  incomplete: z.boolean(),
  task: text().nullish(),
  message: text()
    .refine((value) => Buffer.byteLength(value) <= 1024, 'Must be at most 1 KiB')
    .nullish(),
});

export const HostDelivery = z.object({
  sequence: count,
  final: z.boolean(),
  records_state: z.boolean().optional(),
  records_incomplete: z.boolean().optional(),
  whole: z.boolean().optional(),
  rerun: z
    .object({ count: smallCount.min(1), files_changed: z.boolean(), first_sequence: count })
    .optional(),
  hosts: z.array(host).max(1000),
});

/** Ten years; much later times are not valid dates. */
const MOST_HELD_SECONDS = 315_360_000;

export const HoldDelivery = z.object({
  since: moment,
  until: moment,
  seconds_left: z.number().min(0).max(MOST_HELD_SECONDS).optional(),
  command: text(),
  can_rerun: z.boolean().optional(),
});

export const WaitDelivery = z.object({ since: moment, message: text(), over: z.boolean() });

export const SilenceDelivery = z.object({
  sequence: smallCount,
  silence: z
    .object({
      task: text(),
      since: moment,
      hosts: count,
      names: z.array(text()).max(100),
      others: count,
      limit: count.optional(),
    })
    .nullable(),
});

export function fromPhaseDelivery(body: z.output<typeof PhaseDelivery>): PhaseReport {
  const result = toResult(body);
  return {
    state: body.state,
    startedAt: body.started_at,
    ...omitUndefined({ result, logBytes: body.log_bytes }),
  };
}

/** Undefined if the phase still runs, or its result is unknown because its wrapper was lost. */
function toResult({
  started_at: startedAt,
  ended_at: endedAt,
  exit_code: exitCode,
  killed,
}: z.output<typeof PhaseDelivery>): PhaseResult | undefined {
  if (endedAt === undefined) return undefined;
  if (killed !== undefined) return { kind: 'killed', reason: killed, startedAt, endedAt };
  return exitCode === undefined ? undefined : { kind: 'exited', exitCode, startedAt, endedAt };
}

/** `at`: the time of the component state that the results become. */
export function fromHostDelivery(body: z.output<typeof HostDelivery>, at: string): HostResults {
  return {
    sequence: body.sequence,
    final: body.final,
    ...(body.records_state === true || body.records_incomplete === true ? { recordedAt: at } : {}),
    ...(body.records_incomplete === true ? { incompleteState: true } : {}),
    ...(body.whole === true ? { whole: true } : {}),
    ...(body.rerun === undefined ? {} : { rerun: fromRerun(body.rerun) }),
    hosts: body.hosts.map(({ task, message, ...counts }) => ({
      ...counts,
      ...(typeof task === 'string' ? { task } : {}),
      ...(typeof message === 'string' ? { message } : {}),
    })),
  };
}

function fromRerun({
  count: runs,
  files_changed: filesChanged,
  first_sequence: firstSequence,
}: NonNullable<z.output<typeof HostDelivery>['rerun']>): RerunReport {
  return { count: runs, filesChanged, firstSequence };
}

/** Computes the end of the hold from `at`, the service's time, because the clock of the job may be hours off. */
export function fromHoldDelivery(
  { since, until, seconds_left: left, command, can_rerun: canRerun }: z.output<typeof HoldDelivery>,
  at: string,
): NewHold {
  const end = left === undefined ? until : new Date(Date.parse(at) + left * 1000).toISOString();
  return { since, until: end, command, ...(canRerun === true ? { canRerun } : {}) };
}

export function fromWaitDelivery(
  { since, message }: z.output<typeof WaitDelivery>,
  phase: string,
): Wait {
  return { since, message: toMessage(`Waiting: ${message}`), phase };
}

export function fromSilenceDelivery({
  sequence,
  silence,
}: z.output<typeof SilenceDelivery>): SilenceReport {
  if (silence === null) return { sequence, silence: undefined };
  const { limit: limitSeconds, ...rest } = silence;
  return { sequence, silence: { ...rest, ...omitUndefined({ limitSeconds }) } };
}
