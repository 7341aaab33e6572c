import { z } from '@hono/zod-openapi';
import { toMessage } from '../../core/message.js';
import type { PhaseResult } from '../../core/job.js';
import { omitUndefined } from '../../core/omit-undefined.js';
import type { Wait } from '../../core/session.js';
import type { Hold, HostResults, PhaseReport, SilenceReport } from '../../store/store.js';
import { text } from './values.js';

/** Schemas of what jobs send. They drop unknown members, because a job may be newer than the API to which it delivers. */
const moment = z.iso.datetime({ offset: true }).transform((value) => new Date(value).toISOString());
const count = z.int().min(0);

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
  whole: z.boolean().optional(),
  hosts: z.array(host).max(1000),
});

/** Ten years; much later times are not valid dates. */
const MOST_HELD_SECONDS = 315_360_000;

export const HoldDelivery = z.object({
  since: moment,
  until: moment,
  seconds_left: z.number().min(0).max(MOST_HELD_SECONDS).optional(),
  command: text(),
});

export const WaitDelivery = z.object({ since: moment, message: text(), over: z.boolean() });

export const SilenceDelivery = z.object({
  sequence: count,
  silence: z
    .object({
      task: text(),
      since: moment,
      hosts: count,
      names: z.array(text()).max(100),
      others: count,
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
    ...(body.records_state === true ? { recordedAt: at } : {}),
    ...(body.whole === true ? { whole: true } : {}),
    hosts: body.hosts.map(({ task, message, ...counts }) => ({
      ...counts,
      ...(typeof task === 'string' ? { task } : {}),
      ...(typeof message === 'string' ? { message } : {}),
    })),
  };
}

/** Computes the end of the hold from `at`, the service's time, because the clock of the job may be hours off. */
export function fromHoldDelivery(
  { since, until, seconds_left: secondsLeft, command }: z.output<typeof HoldDelivery>,
  at: string,
): Omit<Hold, 'releasedAt'> {
  if (secondsLeft === undefined) return { since, until, command };
  const end = Date.parse(at) + secondsLeft * 1000;
  return { since, until: new Date(end).toISOString(), command };
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
  return { sequence, silence: silence ?? undefined };
}
