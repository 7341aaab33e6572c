import { isServiceError, ServiceError } from '../../core/errors.js';
import { omitUndefined } from '../../core/omit-undefined.js';

/**
 * Maps the members of an object from v3 to v2: to the name and, for a member that holds objects, their own map. Members that
 * are not listed do not exist in v2 and are dropped in both directions.
 */
export interface Names {
  readonly [v3: string]: string | readonly [v2: string, Names];
}

const target: Names = {
  definition: 'definition',
  groups: ['groups', { name: 'name', members: 'members' }],
  image_map: ['image_map', { source_id: 'source_id', result_name: 'result_name' }],
};

export const SESSION_CREATE: Names = {
  name: 'name',
  configuration_name: 'configurationName',
  configuration_limit: 'configurationLimit',
  ansible_limit: 'ansibleLimit',
  ansible_config: 'ansibleConfig',
  ansible_verbosity: 'ansibleVerbosity',
  ansible_passthrough: 'ansiblePassthrough',
  target: ['target', target],
  tags: 'tags',
};

/** The content of `status` in a PATCH and in answers. */
const status: Names = {
  artifacts: ['artifacts', { image_id: 'image_id', result_id: 'result_id', type: 'type' }],
  session: [
    'session',
    {
      job: 'job',
      start_time: 'startTime',
      completion_time: 'completionTime',
      status: 'status',
      succeeded: 'succeeded',
    },
  ],
};

export const SESSION_PATCH: Names = { status: ['status', status] };

export const SESSION: Names = {
  name: 'name',
  configuration: ['configuration', { name: 'name', limit: 'limit' }],
  ansible: [
    'ansible',
    { config: 'config', limit: 'limit', verbosity: 'verbosity', passthrough: 'passthrough' },
  ],
  target: ['target', target],
  status: ['status', status],
  tags: 'tags',
};

const reference: Names = {
  name: 'name',
  clone_url: 'cloneUrl',
  commit: 'commit',
  branch: 'branch',
};

export const CONFIGURATION: Names = {
  name: 'name',
  description: 'description',
  last_updated: 'lastUpdated',
  layers: [
    'layers',
    {
      ...reference,
      playbook: 'playbook',
      special_parameters: ['specialParameters', { ims_require_dkms: 'imsRequireDkms' }],
    },
  ],
  additional_inventory: ['additional_inventory', reference],
};

const layerOfComponent: Names = { clone_url: 'cloneUrl', playbook: 'playbook', commit: 'commit' };
const stateLayer: Names = {
  ...layerOfComponent,
  session_name: 'sessionName',
  last_updated: 'lastUpdated',
};

/** In v2 the status of a layer is a suffix of its commit. */
export const COMPONENT: Names = {
  id: 'id',
  state: ['state', stateLayer],
  state_append: ['stateAppend', stateLayer],
  desired_config: 'desiredConfig',
  desired_state: ['desiredState', layerOfComponent],
  error_count: 'errorCount',
  retry_policy: 'retryPolicy',
  enabled: 'enabled',
  configuration_status: 'configurationStatus',
  tags: 'tags',
};

export const OPTIONS = {
  hardware_sync_interval: 'hardwareSyncInterval',
  batcher_check_interval: 'batcherCheckInterval',
  batch_size: 'batchSize',
  batch_window: 'batchWindow',
  default_batcher_retry_policy: 'defaultBatcherRetryPolicy',
  default_playbook: 'defaultPlaybook',
  default_ansible_config: 'defaultAnsibleConfig',
  session_ttl: 'sessionTTL',
  additional_inventory_url: 'additionalInventoryUrl',
  batcher_max_backoff: 'batcherMaxBackoff',
  batcher_disable: 'batcherDisable',
  batcher_pending_timeout: 'batcherPendingTimeout',
  logging_level: 'loggingLevel',
} as const satisfies Names;

export function toV2(names: Names, value: unknown): unknown {
  return rename(listNames(names), value, toV2);
}

export function toV3(names: Names, value: unknown): unknown {
  const swapped = listNames(names).map(([v3, v2, inner]): Row => [v2, v3, inner]);
  return rename(swapped, value, toV3);
}

/** Calls code that both versions share. Faults then name members as in v2. */
export async function inV2<T>(names: Names, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!isServiceError(error)) throw error;
    const message = error.message.replace(
      / - '([^']+)'$/,
      (_, path: string) => ` - '${toV2Path(names, path.split('.')).join('.')}'`,
    );
    throw new ServiceError(error.fault, message, {
      cause: error,
      ...omitUndefined({ title: error.title }),
    });
  }
}

type Row = readonly [from: string, to: string, inner: Names | undefined];

function listNames(names: Names): readonly Row[] {
  return Object.entries(names).map(([v3, entry]) =>
    typeof entry === 'string' ? [v3, entry, undefined] : [v3, ...entry],
  );
}

/** Renames the members of an object, or of each object in a list. Other values stay unchanged. */
function rename(
  rows: readonly Row[],
  value: unknown,
  renameInner: (names: Names, value: unknown) => unknown,
): unknown {
  if (Array.isArray(value)) return value.map((element) => rename(rows, element, renameInner));
  if (typeof value !== 'object' || value === null) return value;
  const given = value as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    rows
      .filter(([from]) => Object.hasOwn(given, from))
      .map(([from, to, inner]) => [
        to,
        inner === undefined ? given[from] : renameInner(inner, given[from]),
      ]),
  );
}

function toV2Path(names: Names, path: readonly string[]): readonly string[] {
  const [first, ...rest] = path;
  if (first === undefined) return [];
  if (/^\d+$/.test(first)) return [first, ...toV2Path(names, rest)];
  const entry = Object.hasOwn(names, first) ? names[first] : undefined;
  if (entry === undefined || typeof entry === 'string') return [entry ?? first, ...rest];
  return [entry[0], ...toV2Path(entry[1], rest)];
}
