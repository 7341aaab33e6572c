import { z } from '@hono/zod-openapi';
import type { Options } from '../../core/options.js';
import { OPTIONS, toV2, toV3 } from './v2-names.js';
import { age, boundedText, readOnly, word } from './values.js';

const atLeast = (minimum: number) => z.int().min(minimum).max(Number.MAX_SAFE_INTEGER);
/** Timers do not support much longer times. */
const TWO_WEEKS = 1_209_600;
const seconds = (meaning: string, { from = 0, to = TWO_WEEKS } = {}) =>
  z.int().min(from).max(to).openapi({ description: meaning });
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
  clone_time_limit: seconds('Seconds that each clone may take; 0 = no limit.'),
  inventory_sources_time_limit: seconds(
    'Seconds that reading and checking the inventory may take; 0 = no limit.',
  ),
  image_prepare_time_limit: seconds('Seconds until an image can be customized; 0 = no limit.'),
  image_package_time_limit: seconds('Seconds until a customized image is stored; 0 = no limit.'),
  pod_pending_time_limit: seconds('Seconds until a pod has a node and its images; 0 = no limit.'),
  phase_time_limit: seconds('Seconds that each playbook may take; 0 = no limit.'),
  host_silent_after: seconds(
    'Seconds until a host that says nothing in a task is named; 0 = never.',
  ),
  host_silent_limit: seconds(
    'Seconds until a host that says nothing in a task fails in it; 0 = never.',
  ),
  cancel_grace_seconds: seconds('Seconds from SIGTERM to SIGKILL.', { from: 1, to: 3600 }),
  report_wait: seconds('Seconds that an ended phase waits for its log to be delivered.'),
  machine_lost_after: seconds(
    'Seconds until a machine that is not heard of counts as lost; 0 = never.',
  ),
  max_running_sessions: atLeast(0).openapi({
    description: 'Number of sessions that run at once; 0 = unlimited. Others wait in order.',
  }),
  host_locks: z.boolean().openapi({
    description: 'Whether a session waits for earlier sessions that have a host in common with it.',
  }),
  sweep_limit: atLeast(1).openapi({
    description: 'Maximum number of sessions whose leftovers one sweep removes.',
  }),
  log_store_max_bytes: atLeast(0).openapi({
    description:
      'Maximum size of all logs, compressed; beyond it the oldest are removed. 0 = no limit.',
  }),
  batcher: provider('Who starts sessions for components that wait for their configuration.'),
  hwsync: provider('Who creates components for the nodes in the hardware state manager.'),
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
  hostSilentLimit: 'host_silent_limit',
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
