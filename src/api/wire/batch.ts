import { z } from '@hono/zod-openapi';
import type { CauseRecord } from '../../core/backoff-cause.js';
import type { Batch, BatcherStatus } from '../../core/batch.js';
import type { Options } from '../../core/options.js';
import { choiceParameter, pageParameters } from './query.js';

const STATES = ['open', 'sent', 'finished'] as const;

const BatchWire = z
  .object({
    id: z.string(),
    state: z
      .enum(STATES)
      .openapi({ description: '`open`: still takes components; `sent`: has a session.' }),
    configuration_name: z.string(),
    configuration_limit: z.string().openapi({ description: 'Indexes of the layers to apply.' }),
    latest_status: z
      .string()
      .openapi({ description: 'Status of the last layer of each component; empty for new ones.' }),
    size: z
      .int()
      .openapi({ description: 'Number of components; of a finished batch, when it was sent.' }),
    component_ids: z
      .array(z.string())
      .openapi({ description: 'Empty once the batch is finished.' }),
    session_name: z.string().nullable(),
    opened_at: z.string(),
    sent_at: z.string().nullable(),
    finished_at: z.string().nullable(),
    result: z.enum(['success', 'failure', 'released']).nullable().openapi({
      description: '`released`: its session was deleted or cancelled, or its name was taken.',
    }),
    reason: z.string().nullable().openapi({ description: 'Reason of the session, if it failed.' }),
  })
  .openapi('Batch', {
    example: {
      id: '0d5f7c1e-6a3b-4c8e-9d2f-1b2c3d4e5f60',
      state: 'sent',
      configuration_name: 'compute-1.2',
      configuration_limit: '0,1',
      latest_status: '',
      size: 2,
      component_ids: ['x3000c0s1b0n0', 'x3000c0s1b0n1'],
      session_name: 'batcher-5b1f9a3c-6a3b-4c8e-9d2f-1b2c3d4e5f60',
      opened_at: '2026-01-02T03:04:05.120Z',
      sent_at: '2026-01-02T03:05:07.480Z',
      finished_at: null,
      result: null,
      reason: null,
    },
  });

const BackoffWire = z
  .object({
    cause: z.string().openapi({ description: '`platform`, or `configuration:<name>`.' }),
    until: z.string(),
    seconds: z.int(),
  })
  .openapi('Backoff');

const BatcherWire = z
  .object({
    mode: z.enum(['internal', 'external', 'off']).openapi({ description: 'The option batcher.' }),
    halted: z.string().nullable().openapi({ description: 'Why no batch is sent.' }),
    last_cycle: z
      .object({
        at: z.string(),
        seconds: z.number(),
        collected: z.int(),
        sent: z.int(),
        finished: z.int(),
      })
      .nullable(),
    left_out: z.array(z.string()).openapi({
      description:
        'Components, at most 20, that wait but are in no batch, because their ids are not names of hosts.',
    }),
    backoff: z
      .array(BackoffWire)
      .openapi({ description: 'Causes of failures for which no batch is sent now.' }),
  })
  .openapi('Batcher');

export const BatchQuery = z.object({
  state: choiceParameter(STATES, 'Only batches in this state.'),
  ...pageParameters,
});

export const BatchPage = z
  .object({
    batcher: BatcherWire,
    batches: z.array(BatchWire),
    next: z
      .object({ state: z.string().nullable(), limit: z.int(), after_id: z.string() })
      .nullable(),
  })
  .openapi('BatchPage');

export function toBatchWire(
  batch: Batch,
  componentIds: readonly string[],
): z.output<typeof BatchWire> {
  return {
    id: batch.id,
    state: batch.state,
    configuration_name: batch.configurationName,
    configuration_limit: batch.layers,
    latest_status: batch.latestStatus,
    size: batch.size,
    component_ids: [...componentIds],
    session_name: batch.sessionName ?? null,
    opened_at: batch.openedAt,
    sent_at: batch.sentAt ?? null,
    finished_at: batch.finishedAt ?? null,
    result: batch.result ?? null,
    reason: batch.reason ?? null,
  };
}

/** `causes`: only those that are in backoff now. */
export function toBatcherWire(
  { batcher }: Pick<Options, 'batcher'>,
  status: BatcherStatus | undefined,
  causes: readonly CauseRecord[],
): z.output<typeof BatcherWire> {
  return {
    mode: batcher,
    halted: status?.halted ?? null,
    last_cycle: status === undefined ? null : toCycleWire(status),
    left_out: [...(status?.leftOut ?? [])],
    backoff: causes.map(({ cause, until = '', seconds }) => ({ cause, until, seconds })),
  };
}

function toCycleWire({ cycleAt, seconds, collected, sent, finished }: BatcherStatus) {
  return { at: cycleAt, seconds, collected, sent, finished };
}
