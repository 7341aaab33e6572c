import { z } from '@hono/zod-openapi';
import type { HostResult, PhaseResult } from '../../core/job.js';
import type { PhaseRecord } from '../../store/store.js';
import { pageParameters, textParameter } from './query.js';

const HoldWire = z
  .object({
    since: z.string(),
    until: z
      .string()
      .openapi({ description: 'When the hold ends by itself. If in the past, it has ended.' }),
    command: z
      .string()
      .openapi({ description: 'Command that opens a shell in the environment of the phase.' }),
    released: z.boolean(),
    rerun: z
      .boolean()
      .openapi({ description: 'Whether the hold was ended by running the phase again.' }),
  })
  .openapi('SessionHold');

const SilenceWire = z
  .object({
    task: z.string(),
    since: z
      .string()
      .openapi({ description: 'When the first silent host of the task was last heard of.' }),
    hosts: z.int().openapi({ description: 'Number of silent hosts in this task.' }),
    names: z.array(z.string()).openapi({ description: 'Names of the first of them.' }),
    others: z.int().openapi({ description: 'Number of silent hosts in other tasks.' }),
    limit: z.int().nullable().openapi({
      description:
        'Seconds of silence after which the task ends on a host. Null if it does not, or if that is not known.',
    }),
  })
  .openapi('SessionSilence');

export const PhaseWire = z
  .object({
    name: z.string(),
    kind: z.string(),
    title: z.string().openapi({ description: 'The name, and what the phase works on.' }),
    state: z.enum(['pending', 'running', 'ended']),
    result: z.enum(['exited', 'killed', 'unstarted']).nullable(),
    exit_code: z.int().nullable(),
    reason: z
      .string()
      .nullable()
      .openapi({ description: 'Why the phase was killed or never started.' }),
    start_time: z.string().nullable(),
    completion_time: z.string().nullable(),
    log_bytes: z.int().openapi({ description: 'Number of stored bytes of the log.' }),
    log_complete: z.boolean(),
    hold: HoldWire.nullable().openapi({
      description: 'The last hold of the phase, if it has failed and was held.',
    }),
    reruns: z.int().openapi({ description: 'How often the phase was run again in a hold.' }),
    files_changed: z.boolean().openapi({
      description: 'Its last run used other files than those of the recorded commit.',
    }),
    silence: SilenceWire.nullable().openapi({
      description: 'Hosts that have been silent for longer than `host_silent_after`.',
    }),
  })
  .openapi('SessionPhase', {
    example: {
      name: 'ansible-0',
      kind: 'ansible',
      title: 'ansible-0: site.yml',
      state: 'ended',
      result: 'exited',
      exit_code: 0,
      reason: null,
      start_time: '2026-01-02T03:04:05.120Z',
      completion_time: '2026-01-02T03:04:09.480Z',
      log_bytes: 1834,
      log_complete: true,
      hold: null,
      reruns: 0,
      files_changed: false,
      silence: null,
    },
  });

export const PhaseList = z.object({ phases: z.array(PhaseWire) }).openapi('SessionPhases');

const HostWire = z
  .object({
    phase: z.string(),
    host: z.string(),
    ok: z.int(),
    changed: z.int(),
    failed: z.int(),
    skipped: z.int(),
    unreachable: z.int(),
    incomplete: z.boolean().openapi({
      description:
        'The playbook was, or may have been, cut short for this host by a failure on another one.',
    }),
    task: z.string().nullable().openapi({ description: 'The last task that failed.' }),
    message: z.string().nullable(),
  })
  .openapi('SessionHost');

export const HostQuery = z.object({
  phase: textParameter('Only results of this phase.'),
  ...pageParameters,
});

export const HostPage = z
  .object({
    hosts: z.array(HostWire),
    next: z
      .object({ phase: z.string().nullable(), limit: z.int(), after_id: z.string() })
      .nullable(),
  })
  .openapi('SessionHosts');

export function toPhaseWire(phase: PhaseRecord): z.output<typeof PhaseWire> {
  const { result } = phase;
  const times = result === undefined || result.kind === 'unstarted' ? undefined : result;
  return {
    name: phase.name,
    kind: phase.kind,
    title: phase.title,
    state: phase.state,
    result: result?.kind ?? null,
    exit_code: result?.kind === 'exited' ? result.exitCode : null,
    reason: toReason(result),
    start_time: phase.startedAt ?? times?.startedAt ?? null,
    completion_time: phase.endedAt ?? times?.endedAt ?? null,
    log_bytes: phase.logBytes,
    log_complete: phase.sealedAt !== undefined,
    hold: toHoldWire(phase),
    reruns: phase.reruns ?? 0,
    files_changed: phase.filesChanged ?? false,
    silence: toSilenceWire(phase),
  };
}

function toHoldWire({ hold }: PhaseRecord): z.output<typeof HoldWire> | null {
  if (hold === undefined) return null;
  const { since, until, command, releasedAt, rerun } = hold;
  const isRerun = rerun !== undefined;
  return {
    since,
    until,
    command,
    released: !isRerun && releasedAt !== undefined,
    rerun: isRerun,
  };
}

function toSilenceWire({ silence }: PhaseRecord): z.output<typeof SilenceWire> | null {
  if (silence === undefined) return null;
  const { limitSeconds: limit = null, names, ...rest } = silence;
  return { ...rest, names: [...names], limit };
}

export function toHostWire(result: HostResult): z.output<typeof HostWire> {
  return { ...result, task: result.task ?? null, message: result.message ?? null };
}

function toReason(result: PhaseResult | undefined): string | null {
  return result === undefined || result.kind === 'exited' ? null : result.reason;
}
