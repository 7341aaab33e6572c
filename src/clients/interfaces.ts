import type { SourceCredentials } from '../core/source.js';
import type { Image, ImageAddress, ImageJob } from '../core/image.js';
import type { HardwareState } from '../core/inventory.js';
import type { SessionStart } from '../core/session-start.js';
import type { WorkflowState } from '../core/sweep.js';

export interface CancelRequest {
  readonly by?: string;
  readonly reason?: string;
}

/** Reads of git servers. Messages never contain credentials. */
export interface GitClient {
  /**
   * The commit at which a branch, tag or full hash stands; empty = the default branch. Unknown: fault `invalid` with reason
   * GIT_REF; refused: `rejected`, unreachable: `unavailable`, both with reason GIT_CLONE.
   */
  resolve(
    url: string,
    ref: string,
    signal: AbortSignal,
    access?: RepositoryAccess,
  ): Promise<string>;
}

/** Of one source, instead of what holds for every repository. */
export interface RepositoryAccess {
  readonly credentials?: SourceCredentials;
  /** PEM. */
  readonly ca?: string;
}

export interface OpenedSource {
  readonly url: string;
  readonly access: RepositoryAccess;
}

/** URL, credentials and certificate authority as they are now. No such source: `missing`; all faults with reason GIT_CLONE. */
export type OpenSource = (name: string, signal: AbortSignal) => Promise<OpenedSource>;

export interface TenantClient {
  /** Whether there is such a tenant; an answer is remembered for a while. */
  knows(tenant: string, signal: AbortSignal): Promise<boolean>;
  /** As they are now; undefined: there is no such tenant, or it has none. */
  findKeys(tenant: string, signal: AbortSignal): Promise<TenantKeys | undefined>;
}

/** Where a tenant's keys are in Vault, and who may use them. */
export interface TenantKeys {
  /** Of Kubernetes; its service account `default` may. */
  readonly namespace: string;
  /** Of the transit engine, and of the role that may use it. */
  readonly transit: string;
}

/** A token of Vault with the rights of a tenant; undefined: the tenant has no keys there. */
export type OpenTenant = (tenant: string, signal: AbortSignal) => Promise<string | undefined>;

/** The hardware state manager, or a file in its terms. A source that cannot be read is a fault with reason INVENTORY. */
export interface HardwareClient {
  fetchHardwareState(signal: AbortSignal): Promise<HardwareState>;
  /** For messages: `http://cray-smd/hsm/v2`. */
  readonly source: string;
}

/** The image management service. What it cannot do is a fault with reason IMAGE_PREPARE; a 404 of a removal is done. */
export interface ImageClient {
  /** For messages: `http://cray-ims`. */
  readonly source: string;
  findImage(id: string, signal: AbortSignal): Promise<Image | undefined>;
  /** The id of the key record of this name and text, made where there is none. */
  ensureKey(
    key: { readonly name: string; readonly publicKey: string },
    signal: AbortSignal,
  ): Promise<string>;
  /** Ids of all key records of this name. */
  findKeys(name: string, signal: AbortSignal): Promise<readonly string[]>;
  removeKey(id: string, signal: AbortSignal): Promise<void>;
  /** The oldest job of this container, image and result, made where there is none. */
  ensureJob(job: NewImageJob, signal: AbortSignal): Promise<ImageJob>;
  /** All jobs of this container, oldest first. */
  findJobs(container: string, signal: AbortSignal): Promise<readonly ImageJob[]>;
  getJob(
    job: { readonly id: string; readonly container: string },
    signal: AbortSignal,
  ): Promise<ImageJob | undefined>;
  removeJob(id: string, signal: AbortSignal): Promise<void>;
  /** For good, with what it is made of. */
  removeImage(id: string, signal: AbortSignal): Promise<void>;
  /** Names of all containers and keys that are there, whoever made them. */
  listNames(signal: AbortSignal): Promise<readonly string[]>;
}

/** The root file systems that IMS opens, over SSH. */
export interface ImageShell {
  /** Runs a command as root. Not reached, refused, cut off or failed there: fault `unavailable`, reason IMAGE_PREPARE. */
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
  /** Names whose job it is; unique for a session. */
  readonly container: string;
  readonly requireDkms: boolean;
}

/** What the API asks of Temporal. Deadlines on every call; no answer: fault `unavailable`. */
export interface Orchestrator {
  /** Already started, running or closed, counts as started. */
  startSession(start: SessionStart): Promise<void>;
  /** The cancel signal; a workflow that is closed or not there counts as told. */
  cancelSession(jobId: string, request: CancelRequest): Promise<void>;
  /** The same for a workflow that is closed or not there: a new run under the same id. One that runs is left alone. */
  restartSession(start: SessionStart): Promise<void>;
  /** Ends its workflow without a word to it; one that is closed or not there counts as ended. */
  terminateSession(jobId: string, why: string): Promise<void>;
  /** Tells a waiting workflow that it has a place; one that is closed or not there counts as told. */
  admitSession(jobId: string): Promise<void>;
  /** Tells a running workflow what its step waits for; an empty text: it goes on. One that is closed or not there counts as told. */
  readonly tellWaiting: (jobId: string, message: string) => Promise<void>;
  /** Tells a running workflow that its job will never answer; one that is closed or not there counts as told. */
  loseJob(jobId: string, why: string): Promise<void>;
  /** By id, strongly consistent. */
  describeSession(jobId: string): Promise<WorkflowState>;
  /** Makes the Schedule that starts sweeps, or gives it this interval. */
  scheduleSweep(schedule: SweepSchedule): Promise<void>;
  /** Makes the Schedule that removes what is old. */
  scheduleRetention(deploymentId: string): Promise<void>;
  /** Starts what repeats by itself, unless it runs. */
  startCycle(cycle: CycleStart): Promise<void>;
  /** Of the configured namespace; another server, or an emptied one, has another. */
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

export type { SessionStart };
