/**
 * Options of `/v3/options`. The first block is the published API's (all are stored and shown; those that belong to
 * parts that do not exist yet have no effect), the second is ours: seconds, 0 = no limit.
 */
export interface Options {
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

export const DEFAULT_OPTIONS: Options = {
  defaultPlaybook: 'site.yml',
  defaultAnsibleConfig: 'cfs-default-ansible-cfg',
  loggingLevel: 'INFO',
  defaultPageSize: 1000,
  // There is no ARA in this service, so links to one would lead nowhere.
  includeAraLinks: false,
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

/** Seconds; 0 = none. Activity time-outs derive from them. */
export interface TimeLimits {
  readonly cloneSeconds: number;
  readonly inventorySourcesSeconds: number;
  readonly imagePrepareSeconds: number;
  readonly imagePackageSeconds: number;
  readonly podPendingSeconds: number;
  readonly phaseSeconds: number;
  /** SIGTERM to SIGKILL. */
  readonly cancelGraceSeconds: number;
  /** How long a job waits, after a phase, for the API to take the rest of its log. */
  readonly reportWaitSeconds: number;
}

export const DEFAULT_TIME_LIMITS: TimeLimits = {
  cloneSeconds: 600,
  inventorySourcesSeconds: 600,
  imagePrepareSeconds: 3600,
  imagePackageSeconds: 7200,
  podPendingSeconds: 600,
  phaseSeconds: 0,
  cancelGraceSeconds: 30,
  reportWaitSeconds: 60,
};
