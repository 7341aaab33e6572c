import type { SourceCredentials } from '../core/source.js';
import type { Image, ImageAddress, ImageJob } from '../core/image.js';
import type { HardwareState } from '../core/inventory.js';
import type { HostResult } from '../core/job.js';
import type { HostTotals, NotificationScope } from '../core/notification.js';
import type { Session } from '../core/session.js';
import type { SessionStart } from '../core/session-start.js';
import type { WorkflowState } from '../core/sweep.js';

export interface CancelRequest {
  readonly by?: string;
  readonly reason?: string;
}

/** Reads of git servers. Messages never contain credentials. */
export interface GitClient {
  /**
   * The commit that a branch, a tag or a full hash names; an empty `ref` names the default branch. A `ref` that the server does
   * not know is fault `invalid` with reason GIT_REF. A server that refuses us is `rejected`, one that cannot be reached is
   * `unavailable`, both with reason GIT_CLONE.
   */
  resolve(
    url: string,
    ref: string,
    signal: AbortSignal,
    access?: RepositoryAccess,
  ): Promise<string>;
}

/** How to reach the repository of one source, instead of how all others are reached. */
export interface RepositoryAccess {
  readonly credentials?: SourceCredentials;
  /** Certificate authority, as PEM. */
  readonly ca?: string;
}

export interface OpenedSource {
  readonly url: string;
  readonly access: RepositoryAccess;
}

/** Reads URL, credentials and certificate authority of a source. Where there is none: `missing`. Faults have reason GIT_CLONE. */
export type OpenSource = (name: string, signal: AbortSignal) => Promise<OpenedSource>;

export interface TenantClient {
  /** Whether there is such a tenant; an answer is remembered for a while. */
  knows(tenant: string, signal: AbortSignal): Promise<boolean>;
  /** Undefined where there is no such tenant, or it has no keys. */
  findKeys(tenant: string, signal: AbortSignal): Promise<TenantKeys | undefined>;
}

/** Where a tenant's keys are in Vault, and who may use them. */
export interface TenantKeys {
  /** Namespace of Kubernetes whose service account `default` may use them. */
  readonly namespace: string;
  /** Name of the transit engine of Vault, and of the role that may use it. */
  readonly transit: string;
}

/** Gets a token of Vault with the rights of a tenant. Undefined where the tenant has no keys there. */
export type OpenTenant = (tenant: string, signal: AbortSignal) => Promise<string | undefined>;

/** The hardware state manager, or a file in its terms. A source that cannot be read is a fault with reason INVENTORY. */
export interface HardwareClient {
  fetchHardwareState(signal: AbortSignal): Promise<HardwareState>;
  /** For messages: `http://cray-smd/hsm/v2`. */
  readonly source: string;
}

/** The image management service. Faults have reason IMAGE_PREPARE. To remove what is not there is no fault. */
export interface ImageClient {
  /** For messages: `http://cray-ims`. */
  readonly source: string;
  findImage(id: string, signal: AbortSignal): Promise<Image | undefined>;
  /** The id of the key record with this name and text. It is made where there is none. */
  ensureKey(
    key: { readonly name: string; readonly publicKey: string },
    signal: AbortSignal,
  ): Promise<string>;
  /** Ids of all key records of this name. */
  findKeys(name: string, signal: AbortSignal): Promise<readonly string[]>;
  removeKey(id: string, signal: AbortSignal): Promise<void>;
  /** The oldest job with this container, image and name of the result. It is made where there is none. */
  ensureJob(job: NewImageJob, signal: AbortSignal): Promise<ImageJob>;
  /** All jobs of this container, oldest first. */
  findJobs(container: string, signal: AbortSignal): Promise<readonly ImageJob[]>;
  /** `known`: its last status. A service that can do so waits a few seconds for another one, or a result. */
  getJob(
    job: {
      readonly id: string;
      readonly container: string;
      readonly known?: ImageJob['status'] | undefined;
    },
    signal: AbortSignal,
  ): Promise<ImageJob | undefined>;
  removeJob(id: string, signal: AbortSignal): Promise<void>;
  /** Removes an image for good, with the files that it consists of. */
  removeImage(id: string, signal: AbortSignal): Promise<void>;
  /** Names of all containers and keys that are there, whoever made them. */
  listNames(signal: AbortSignal): Promise<readonly string[]>;
}

/** The root file systems that IMS opens, over SSH. */
export interface ImageShell {
  /** Runs a command as root. Unless it succeeds: fault `unavailable` with reason IMAGE_PREPARE. */
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
  /** Says whose job it is; each session has a name of its own. */
  readonly container: string;
  readonly requireDkms: boolean;
}

/** Who is told of ends of sessions, by name. Faults have neither URL, headers nor secret, so that they may go into a history. */
export interface WebhookClient {
  /** As the file has them now; fault `unavailable` where it cannot be used. */
  list(): Promise<readonly { readonly name: string; readonly when: NotificationScope }[]>;
  /** Tells one once. A name that the file no longer has is `rejected`. */
  send(name: string, end: SessionEnd, signal: AbortSignal): Promise<void>;
}

/** A session that is complete, and what became of its hosts. */
export interface SessionEnd {
  readonly session: Session;
  readonly totals: HostTotals;
  /** The first of them. */
  readonly failedHosts: readonly HostResult[];
}

/**
 * What is asked of Temporal. Every call has a deadline; without an answer by then it is fault `unavailable`. What is told to a
 * workflow that is closed, or not there, counts as told.
 */
export interface Orchestrator {
  /** Starts its workflow. One that was started before counts, whether it runs or is closed. */
  startSession(start: SessionStart): Promise<void>;
  /** Sends the signal that cancels the session. */
  cancelSession(jobId: string, request: CancelRequest): Promise<void>;
  /** Starts a new run of its workflow, unless one runs. */
  restartSession(start: SessionStart): Promise<void>;
  /** Ends its workflow without a word to it. */
  terminateSession(jobId: string, why: string): Promise<void>;
  /** Tells its workflow, which waits for a place, that it has one. */
  admitSession(jobId: string): Promise<void>;
  /** Tells its workflow what a step waits for; with an empty text, that the step goes on. */
  readonly tellWaiting: (jobId: string, message: string) => Promise<void>;
  /** Tells its workflow that the job will never answer. */
  loseJob(jobId: string, why: string): Promise<void>;
  /** How its workflow is at this moment: a read that is strongly consistent. */
  describeSession(jobId: string): Promise<WorkflowState>;
  /** Makes the Schedule that starts sweeps, or gives it this interval. */
  scheduleSweep(schedule: SweepSchedule): Promise<void>;
  /** Makes the Schedule that removes what is old. */
  scheduleRetention(deploymentId: string): Promise<void>;
  /** Starts a workflow that repeats by itself, unless it runs. */
  startCycle(cycle: CycleStart): Promise<void>;
  /** Starts the workflow that tells of the end of a session. One that was started before counts. */
  startNotification(start: NotificationStart): Promise<void>;
  /** The id of the configured namespace. Another server has another one, and so has one that was emptied. */
  namespaceId(): Promise<string>;
  /** Whether Temporal answers now. */
  check(): Promise<boolean>;
  close(): Promise<void>;
}

export interface SweepSchedule {
  /** The Schedule's id, its workflows' id, and their task queue. */
  readonly id: string;
  readonly intervalSeconds: number;
}

export interface CycleStart {
  readonly type: 'BatcherWorkflow' | 'HardwareSyncWorkflow';
  readonly id: string;
  readonly taskQueue: string;
  readonly summary: string;
}

export interface NotificationStart {
  /** Of the workflow. */
  readonly id: string;
  readonly jobId: string;
  readonly sessionName: string;
  /** By name. */
  readonly webhooks: readonly string[];
  /** Of those who can tell them. */
  readonly deliveryQueue: string;
}

export type { SessionStart };
