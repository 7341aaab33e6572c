import { z } from '@hono/zod-openapi';
import type { Options } from '../../core/options.js';
import { boundedText, readOnly, word } from './values.js';

const atLeast = (minimum: number) => z.int().min(minimum).max(Number.MAX_SAFE_INTEGER);
const age = () =>
  z
    .string()
    .max(10)
    .regex(/^(?:[0-9]+[mMhHdDwW]){0,1}$/, 'Must be a number and one of m, h, d, w');

const writable = {
  default_ansible_config: boundedText(0, 60),
  logging_level: z.enum(['DEBUG', 'INFO', 'WARNING', 'ERROR']),
  default_page_size: atLeast(1),
  include_ara_links: z.boolean(),
  session_ttl: age(),
  additional_inventory_url: word().max(240),
  additional_inventory_source: boundedText(0, 60),
  debug_wait_time: atLeast(0),
  batcher_check_interval: atLeast(1),
  batch_size: atLeast(1),
  batch_window: atLeast(0),
  default_batcher_retry_policy: atLeast(0),
  batcher_max_backoff: atLeast(0),
  batcher_disable: z.boolean(),
  batcher_pending_timeout: atLeast(1),
  hardware_sync_interval: atLeast(1),
};

export const OptionsWire = z
  .object({ default_playbook: word(), ...writable })
  .openapi('V3Options', { example: { session_ttl: '7d', default_page_size: 1000 } });

export const OptionsPatch = z
  .strictObject({ ...writable, default_playbook: readOnly() })
  .partial()
  .openapi('V3OptionsPatch', { example: { debug_wait_time: 600 } });

/** One row per option; another version of the API is another column. */
const WIRE_NAMES = {
  defaultPlaybook: 'default_playbook',
  defaultAnsibleConfig: 'default_ansible_config',
  loggingLevel: 'logging_level',
  defaultPageSize: 'default_page_size',
  includeAraLinks: 'include_ara_links',
  sessionTtl: 'session_ttl',
  additionalInventoryUrl: 'additional_inventory_url',
  additionalInventorySource: 'additional_inventory_source',
  debugWaitTime: 'debug_wait_time',
  batcherCheckInterval: 'batcher_check_interval',
  batchSize: 'batch_size',
  batchWindow: 'batch_window',
  defaultBatcherRetryPolicy: 'default_batcher_retry_policy',
  batcherMaxBackoff: 'batcher_max_backoff',
  batcherDisable: 'batcher_disable',
  batcherPendingTimeout: 'batcher_pending_timeout',
  hardwareSyncInterval: 'hardware_sync_interval',
} as const satisfies Record<keyof Options, keyof z.output<typeof OptionsWire>>;

const names = Object.entries(WIRE_NAMES) as [keyof Options, keyof z.output<typeof OptionsWire>][];

export function toOptionsWire(options: Options): z.output<typeof OptionsWire> {
  return Object.fromEntries(names.map(([inside, wire]) => [wire, options[inside]])) as z.output<
    typeof OptionsWire
  >;
}

export function fromOptionsPatch(patch: z.output<typeof OptionsPatch>): Partial<Options> {
  return Object.fromEntries(
    names
      .filter(([, wire]) => patch[wire] !== undefined)
      .map(([inside, wire]) => [inside, patch[wire]]),
  );
}
