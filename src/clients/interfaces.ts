import type { SourceCredentials } from '../core/source.js';
import type { Image, ImageAddress, ImageJob } from '../core/image.js';
import type { HardwareState } from '../core/inventory.js';
import type { HostResult } from '../core/job.js';
import type { HostTotals, NotificationScope } from '../core/notification.js';
import type { Session } from '../core/session.js';
import type { SessionStart } from '../core/session-start.js';
import type { RunningWorkflow, WorkflowState } from '../core/sweep.js';

export interface CancelRequest {
  readonly by?: string;
  readonly reason?: string;
}

/** Reads from git servers. Messages never contain credentials. */
export interface GitClient {
  /**
   * Returns the commit of a branch, a tag or a full hash; an empty `ref` means the default branch. Throws `invalid` with
   * reason GIT_REF if the server does not know `ref`; with reason GIT_CLONE, `rejected` if it refuses access, and
   * `unavailable` if it cannot be reached. While the request waits for its turn, `onMove` is called whenever the server has
   * answered another one.
   */
  resolve(
    url: string,
    ref: string,
    signal: AbortSignal,
    access?: RepositoryAccess,
    onMove?: () => void,
  ): Promise<string>;
}

/** Access to the repository of one source; replaces the access settings of the service. */
export interface RepositoryAccess {
  readonly credentials?: SourceCredentials;
  /** Certificate authority, as PEM. */
  readonly ca?: string;
}

export interface OpenedSource {
  readonly url: string;
  readonly access: RepositoryAccess;
}

/** Reads the URL and the access of a source; throws `missing` if there is no such source. Faults have reason GIT_CLONE. */
export type OpenSource = (name: string, signal: AbortSignal) => Promise<OpenedSource>;

export interface TenantClient {
  /** Whether the tenant exists. Answers are cached for a short time. */
  knows(tenant: string, signal: AbortSignal): Promise<boolean>;
  /** Undefined if the tenant does not exist or has no keys. */
  findKeys(tenant: string, signal: AbortSignal): Promise<TenantKeys | undefined>;
}

/** Where a tenant's keys are in Vault, and who may use them. */
export interface TenantKeys {
  /** Kubernetes namespace whose service account `default` may use them. */
  readonly namespace: string;
  /** Name of Vault's transit engine, and of the role that may use it. */
  readonly transit: string;
}

/** Gets a Vault token with the rights of a tenant. Undefined if the tenant has no keys in Vault. */
export type OpenTenant = (tenant: string, signal: AbortSignal) => Promise<string | undefined>;

/** The hardware state manager, or a file with the same content. Faults have reason INVENTORY. */
export interface HardwareClient {
  fetchHardwareState(signal: AbortSignal): Promise<HardwareState>;
  /** The nodes alone, virtual ones too, whatever has become of groups and partitions. */
  fetchNodes(signal: AbortSignal): Promise<HardwareState['components']>;
  /** URL or path, for messages: `http://cray-smd/hsm/v2`. */
  readonly source: string;
}

/** The image management service. Faults have reason IMAGE_PREPARE. Removing something that does not exist succeeds. */
export interface ImageClient {
  /** URL, for messages: `http://cray-ims`. */
  readonly source: string;
  findImage(id: string, signal: AbortSignal): Promise<Image | undefined>;
  /** Returns the id of the key record with this name and text; creates it if there is none. */
  ensureKey(
    key: { readonly name: string; readonly publicKey: string },
    signal: AbortSignal,
  ): Promise<string>;
  /** Ids of all key records of this name. */
  findKeys(name: string, signal: AbortSignal): Promise<readonly string[]>;
  /** Returns why a record that opens nothing any more stays among the deleted ones, if the service refuses to remove it there. */
  removeKey(id: string, signal: AbortSignal): Promise<string | undefined>;
  /** Returns the oldest job with this container, image and result name; creates one if there is none. */
  ensureJob(job: NewImageJob, signal: AbortSignal): Promise<ImageJob>;
  /** All jobs of this container, oldest first. */
  findJobs(container: string, signal: AbortSignal): Promise<readonly ImageJob[]>;
  /** `known`: the last status seen. A service that supports it waits a few seconds for another status, or a result. */
  getJob(
    job: {
      readonly id: string;
      readonly container: string;
      readonly known?: ImageJob['status'] | undefined;
    },
    signal: AbortSignal,
  ): Promise<ImageJob | undefined>;
  removeJob(id: string, signal: AbortSignal): Promise<void>;
  /** Removes an image and its files. Returns why it stays among the deleted ones, if the service refuses to remove it there. */
  removeImage(id: string, signal: AbortSignal): Promise<string | undefined>;
  /** Names of all containers and keys, including those that others made, but no deleted keys that may not be removed for good. */
  listNames(signal: AbortSignal): Promise<readonly string[]>;
}

/** The root file systems that IMS opens, over SSH. */
export interface ImageShell {
  /** Runs a command as root. Throws `unavailable` with reason IMAGE_PREPARE unless it exits with 0. */
  run(
    address: ImageAddress,
    privateKey: string,
    command: string,
    signal: AbortSignal,
  ): Promise<void>;
}

export interface NewImageJob {
  readonly imageId: string;
  readonly resultName: string;
  readonly keyId: string;
  /** Identifies the session of the job: each session has its own container name. */
  readonly container: string;
  readonly requireDkms: boolean;
}

/**
 * Sends ends of sessions to webhooks, which are known by name. Faults contain no URL, header or secret, because they go into
 * workflow histories.
 */
export interface WebhookClient {
  /** The webhooks that the file has now. Throws `unavailable` if the file cannot be used. */
  list(): Promise<readonly { readonly name: string; readonly when: NotificationScope }[]>;
  /** Sends to one webhook, once. Throws `rejected` if the file no longer has the name. */
  send(name: string, end: SessionEnd, signal: AbortSignal): Promise<void>;
}

/** A complete session and the results of its hosts. */
export interface SessionEnd {
  readonly session: Session;
  readonly totals: HostTotals;
  /** Only the first few. */
  readonly failedHosts: readonly HostResult[];
}

/**
 * Calls to Temporal. Every call has a deadline and throws `unavailable` if Temporal does not answer by then. A signal to a
 * workflow that is closed or does not exist succeeds.
 */
export interface Orchestrator {
  /** Starts the session's workflow. Succeeds if it was started before, whether it still runs or is closed. */
  startSession(start: SessionStart): Promise<void>;
  /** Signals the workflow to cancel the session. */
  cancelSession(jobId: string, request: CancelRequest): Promise<void>;
  /** Starts a new run of the session's workflow, unless one is running. */
  restartSession(start: SessionStart): Promise<void>;
  /** Terminates this run of the workflow, and no later one: none of its code runs. */
  terminateRun(run: { readonly id: string; readonly runId: string }, why: string): Promise<void>;
  /** Tells the workflow that waits for a place that the session has one. */
  admitSession(jobId: string): Promise<void>;
  /** Tells the workflow what a step waits for; an empty text means that the step continues. */
  readonly tellWaiting: (jobId: string, message: string) => Promise<void>;
  /** Tells the workflow that the job is lost. */
  loseJob(jobId: string, why: string): Promise<void>;
  /** Reads the current state of the workflow; the read is strongly consistent. */
  describeSession(jobId: string): Promise<WorkflowState>;
  /** The same of a workflow that repeats itself; undefined if it does not run. */
  describeCycle(id: string): Promise<RunningWorkflow | undefined>;
  /** Job ids of workflows that may wait for a place or for hosts. The list may be some seconds old. */
  listWaiting(): Promise<readonly string[]>;
  /** Creates the Schedule that starts sweeps, or updates its interval. */
  scheduleSweep(schedule: SweepSchedule): Promise<void>;
  /** The same for retention. */
  scheduleRetention(deploymentId: string): Promise<void>;
  /**
   * Starts a workflow that repeats itself, unless it is running. Called again and again, it replaces one that rests for longer
   * than it should, because Temporal's clock was set back.
   */
  startCycle(cycle: CycleStart): Promise<void>;
  /** Starts the workflow that sends the end of a session to webhooks. False if it was started before, and Temporal still has it. */
  startNotification(start: NotificationStart): Promise<boolean>;
  /** Whether that workflow was started, and Temporal still has it, running or closed. */
  hasNotification(id: string): Promise<boolean>;
  /** Whether that workflow has come to its own end. */
  hasEndedNotification(id: string): Promise<boolean>;
  /** The id of the configured namespace. It changes with another server, and if Temporal was emptied. */
  namespaceId(): Promise<string>;
  /** Whether Temporal answers now. */
  check(): Promise<boolean>;
  close(): Promise<void>;
}

export interface SweepSchedule {
  /** Id of the Schedule and of its workflows, and name of their task queue. */
  readonly id: string;
  readonly intervalSeconds: number;
}

export interface CycleStart {
  readonly type: 'BatcherWorkflow' | 'HardwareSyncWorkflow';
  readonly id: string;
  readonly taskQueue: string;
  readonly summary: string;
  /** How long it rests between two cycles. */
  readonly restSeconds: number;
}

export interface NotificationStart {
  /** Id of the workflow. */
  readonly id: string;
  readonly jobId: string;
  readonly sessionName: string;
  /** Names. */
  readonly webhooks: readonly string[];
  /** Task queue of the workers that can send to webhooks. */
  readonly deliveryQueue: string;
}

export type { SessionStart };
