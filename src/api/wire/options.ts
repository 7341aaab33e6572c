import { z } from '@hono/zod-openapi';
import type { Options } from '../../core/options.js';
import { OPTIONS, toV2, toV3 } from './v2-names.js';
import { boundedText, readOnly, word } from './values.js';

const atLeast = (minimum: number) => z.int().min(minimum).max(Number.MAX_SAFE_INTEGER);
/** Timers do not support much longer times. */
const TWO_WEEKS = 1_209_600;
const seconds = (meaning: string, { from = 0, to = TWO_WEEKS } = {}) =>
  z.int().min(from).max(to).openapi({ description: meaning });
const age = () =>
  z
    .string()
    .max(10)
    .regex(/^(?:[0-9]+[mMhHdDwW]){0,1}$/, 'Must be a number and one of m, h, d, w');
/** `external`: another program does this. */
const provider = (meaning: string) =>
  z.enum(['internal', 'external', 'off']).openapi({ description: meaning });

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

/** Options that every CFS has. */
export const CFS_OPTION_NAMES: readonly string[] = ['default_playbook', ...Object.keys(writable)];

/** Options of our own. */
const extensions = {
  clone_time_limit: seconds('Of each clone, in seconds; 0 = none.'),
  inventory_sources_time_limit: seconds('Of reading and checking the inventory; 0 = none.'),
  image_prepare_time_limit: seconds('Until an image can be customized; 0 = none.'),
  image_package_time_limit: seconds('Until a customized image is stored; 0 = none.'),
  pod_pending_time_limit: seconds('Until a pod has a node and its images; 0 = none.'),
  phase_time_limit: seconds('Of each playbook; 0 = none.'),
  host_silent_after: seconds('Until a host that says nothing in a task is named; 0 = never.'),
  cancel_grace_seconds: seconds('From SIGTERM to SIGKILL.', { from: 1, to: 3600 }),
  report_wait: seconds('How long a phase that has ended waits for its log to be taken.'),
  machine_lost_after: seconds('Until a machine that nobody hears of counts as gone; 0 = never.'),
  max_running_sessions: atLeast(0).openapi({
    description: 'Sessions that run at once; 0 = any number. The others wait in order.',
  }),
  host_locks: z.boolean().openapi({
    description:
      'Whether a session waits for others that were there before it on a host of its own.',
  }),
  sweep_limit: atLeast(1).openapi({
    description: 'Most sessions whose leftovers one sweep removes.',
  }),
  log_store_max_bytes: atLeast(0).openapi({
    description: 'What all logs may take, compressed; beyond it the oldest are removed. 0 = none.',
  }),
  batcher: provider('Who configures nodes that wait for it.'),
  hwsync: provider('Who makes components of the nodes that the hardware state manager knows.'),
};

/** Options that only this service has. */
export const EXTENSION_OPTION_NAMES: readonly string[] = Object.keys(extensions);

export const OptionsWire = z
  .object({ default_playbook: word(), ...writable, ...extensions })
  .openapi('V3Options', { example: { session_ttl: '7d', default_page_size: 1000 } });

export const OptionsPatch = z
  .strictObject({ ...writable, ...extensions, default_playbook: readOnly() })
  .partial()
  .openapi('V3OptionsPatch', { example: { debug_wait_time: 600 } });

/** Options of v2, with its names. Unlike in v3, the default playbook can be changed. */
const shapeV2 = Object.fromEntries(
  Object.entries(OPTIONS).map(([v3, v2]) => [v2, OptionsWire.shape[v3 as keyof typeof OPTIONS]]),
);

export const OptionsWireV2 = z.object(shapeV2).openapi('V2Options');
export const OptionsPatchV2 = z
  .strictObject(shapeV2)
  .partial()
  .openapi('V2OptionsPatch', { example: { sessionTTL: '7d' } });

/** The name of each option in v3. */
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
  cloneTimeLimit: 'clone_time_limit',
  inventorySourcesTimeLimit: 'inventory_sources_time_limit',
  imagePrepareTimeLimit: 'image_prepare_time_limit',
  imagePackageTimeLimit: 'image_package_time_limit',
  podPendingTimeLimit: 'pod_pending_time_limit',
  phaseTimeLimit: 'phase_time_limit',
  hostSilentAfter: 'host_silent_after',
  cancelGraceSeconds: 'cancel_grace_seconds',
  reportWait: 'report_wait',
  machineLostAfter: 'machine_lost_after',
  maxRunningSessions: 'max_running_sessions',
  hostLocks: 'host_locks',
  sweepLimit: 'sweep_limit',
  logStoreMaxBytes: 'log_store_max_bytes',
  batcher: 'batcher',
  hwsync: 'hwsync',
} as const satisfies Record<keyof Options, keyof z.output<typeof OptionsWire>>;

const names = Object.entries(WIRE_NAMES) as [keyof Options, keyof z.output<typeof OptionsWire>][];

type OptionsBody = z.output<ReturnType<typeof OptionsWire.partial>>;

export function toOptionsWire(options: Options): z.output<typeof OptionsWire> {
  return Object.fromEntries(names.map(([inside, wire]) => [wire, options[inside]])) as z.output<
    typeof OptionsWire
  >;
}

export function toOptionsWireV2(options: Options): z.output<typeof OptionsWireV2> {
  return toV2(OPTIONS, toOptionsWire(options)) as z.output<typeof OptionsWireV2>;
}

export function fromOptionsPatchV2(patch: z.output<typeof OptionsPatchV2>): Partial<Options> {
  return fromOptionsPatch(toV3(OPTIONS, patch) as OptionsBody);
}

export function fromOptionsPatch(patch: OptionsBody): Partial<Options> {
  return Object.fromEntries(
    names
      .filter(([, wire]) => patch[wire] !== undefined)
      .map(([inside, wire]) => [inside, patch[wire]]),
  );
}
