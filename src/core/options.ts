/** Every option is stored and shown. */
export interface Options extends CfsOptions, ExtensionOptions {}

/** Options of the published API, also in v2. */
export interface CfsOptions {
  readonly defaultPlaybook: string;
  readonly defaultAnsibleConfig: string;
  readonly loggingLevel: 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR';
  readonly defaultPageSize: number;
  readonly includeAraLinks: boolean;
  readonly sessionTtl: string;
  readonly additionalInventoryUrl: string;
  readonly additionalInventorySource: string;
  readonly debugWaitTime: number;
  readonly batcherCheckInterval: number;
  readonly batchSize: number;
  readonly batchWindow: number;
  readonly defaultBatcherRetryPolicy: number;
  readonly batcherMaxBackoff: number;
  readonly batcherDisable: boolean;
  readonly batcherPendingTimeout: number;
  readonly hardwareSyncInterval: number;
}

/** Our own options: members of `/v3/options`, but not of v2 or of exports. Each takes effect at the step that uses it. */
export interface ExtensionOptions {
  /** Time limits in seconds, 0 = none. A session keeps those that it started with. */
  readonly cloneTimeLimit: number;
  readonly inventorySourcesTimeLimit: number;
  readonly imagePrepareTimeLimit: number;
  readonly imagePackageTimeLimit: number;
  readonly podPendingTimeLimit: number;
  readonly phaseTimeLimit: number;
  /** Seconds that a host may be silent within one task before it is reported; 0 = for ever. */
  readonly hostSilentAfter: number;
  /** Seconds that a host may be silent within one task before it fails in it; 0 = for ever. */
  readonly hostSilentLimit: number;
  readonly cancelGraceSeconds: number;
  readonly reportWait: number;
  /** Seconds that a machine may be silent before it counts as lost, with its jobs; 0 = for ever. */
  readonly machineLostAfter: number;
  /** How many sessions may have a place at once, from their claim to their end; 0 = any number. The others wait in order. */
  readonly maxRunningSessions: number;
  /** Whether a session waits while another one runs on any of its hosts. */
  readonly hostLocks: boolean;
  /** The most sessions whose leftovers one sweep removes. */
  readonly sweepLimit: number;
  /** Limit of the compressed logs of all sessions; 0 = none. */
  readonly logStoreMaxBytes: number;
  /** Who starts sessions for components that need configuration. */
  readonly batcher: Provider;
  /** Who creates components for the nodes that the hardware state manager knows. */
  readonly hwsync: Provider;
}

/** `external`: another program does it. */
export type Provider = 'internal' | 'external' | 'off';

const DEFAULT_CFS_OPTIONS: CfsOptions = {
  defaultPlaybook: 'site.yml',
  defaultAnsibleConfig: 'cfs-default-ansible-cfg',
  loggingLevel: 'INFO',
  defaultPageSize: 1000,
  includeAraLinks: true,
  sessionTtl: '7d',
  additionalInventoryUrl: '',
  additionalInventorySource: '',
  debugWaitTime: 3600,
  batcherCheckInterval: 10,
  batchSize: 25,
  batchWindow: 60,
  defaultBatcherRetryPolicy: 3,
  batcherMaxBackoff: 3600,
  batcherDisable: false,
  batcherPendingTimeout: 300,
  hardwareSyncInterval: 10,
};

const DEFAULT_EXTENSION_OPTIONS: ExtensionOptions = {
  cloneTimeLimit: 600,
  inventorySourcesTimeLimit: 600,
  imagePrepareTimeLimit: 3600,
  imagePackageTimeLimit: 7200,
  podPendingTimeLimit: 600,
  phaseTimeLimit: 0,
  hostSilentAfter: 600,
  hostSilentLimit: 0,
  cancelGraceSeconds: 30,
  reportWait: 60,
  machineLostAfter: 3600,
  maxRunningSessions: 0,
  hostLocks: false,
  sweepLimit: 100,
  logStoreMaxBytes: 0,
  batcher: 'off',
  hwsync: 'off',
};

export const DEFAULT_OPTIONS: Options = { ...DEFAULT_CFS_OPTIONS, ...DEFAULT_EXTENSION_OPTIONS };

/** Seconds; 0 = none. Part of stored snapshots. */
export interface TimeLimits {
  readonly cloneSeconds: number;
  readonly inventorySourcesSeconds: number;
  readonly imagePrepareSeconds: number;
  readonly imagePackageSeconds: number;
  readonly podPendingSeconds: number;
  readonly phaseSeconds: number;
  /** How long a host may be silent before it is reported; snapshots of 0.1.0 do not have it. */
  readonly hostSilentSeconds?: number;
  /** How long a host may be silent before it fails; older snapshots do not have it. */
  readonly hostSilentLimitSeconds?: number;
  /** From SIGTERM to SIGKILL. */
  readonly cancelGraceSeconds: number;
  /** How long a job waits, after a phase, for the API to take the rest of its log. */
  readonly reportWaitSeconds: number;
}

export function toTimeLimits(options: ExtensionOptions): TimeLimits {
  return {
    cloneSeconds: options.cloneTimeLimit,
    inventorySourcesSeconds: options.inventorySourcesTimeLimit,
    imagePrepareSeconds: options.imagePrepareTimeLimit,
    imagePackageSeconds: options.imagePackageTimeLimit,
    podPendingSeconds: options.podPendingTimeLimit,
    phaseSeconds: options.phaseTimeLimit,
    hostSilentSeconds: options.hostSilentAfter,
    hostSilentLimitSeconds: options.hostSilentLimit,
    cancelGraceSeconds: options.cancelGraceSeconds,
    reportWaitSeconds: options.reportWait,
  };
}
