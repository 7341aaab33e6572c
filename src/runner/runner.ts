import type { ImageKey } from '../core/image.js';
import type { Job, PhaseResult } from '../core/job.js';

/** Identifies a prepared job: the uid of the Kubernetes Job, or a random name in the job's directory. */
export type Incarnation = string;

/** Name → gzip-compressed content. `inventory` becomes `hosts/01-cfs-generated.yaml`. */
export type StagedFiles = Readonly<Record<string, Uint8Array>>;

export interface JobSummary {
  readonly jobId: string;
  readonly incarnation: Incarnation;
  readonly state: 'prepared' | 'running' | 'ended';
  /** Absent if the job has not ended, or nobody saw it end. */
  readonly endedAt?: string;
}

/**
 * Stands in a log for output that the platform has lost; later output follows. `rotated`: the platform began a new file before
 * the old one was read; `cut`: it never kept the end.
 */
export interface LogGap {
  readonly lostBytes: number;
  readonly why: 'rotated' | 'cut';
}

/** What a job gets besides its plan. Secrets never enter `Job`. */
export interface Launch {
  readonly job: Job;
  readonly files: StagedFiles;
  /** File name → content: what clones from sources need besides the credentials of every clone. */
  readonly cloneSecrets?: Readonly<Record<string, string>>;
  /** Name of a file in the configured directory of Ansible configurations. Absent: the default one. */
  readonly ansibleConfig?: string;
  /** The bearer token with which the job delivers to the API. */
  readonly token: string;
  /** The token with which a tenant's playbooks read the tenant's secrets in Vault. */
  readonly vaultToken?: string;
  /** The SSH key for the images of an image session; it becomes `ssh/id_image` in the workspace. */
  readonly imageKey?: ImageKey;
}

/** Executes jobs. Every method may be repeated, and may be called from another process than the one that launched. */
export interface Runner {
  /** Prepares the job without running anything. A job that is already prepared is returned unchanged. */
  prepare(launch: Launch, signal: AbortSignal): Promise<Incarnation>;
  /**
   * Lets exactly this incarnation run. Repeating it changes nothing, and after `stop` it has no effect. Throws the fault
   * `missing` if the incarnation no longer exists.
   */
  release(jobId: string, incarnation: Incarnation, signal: AbortSignal): Promise<void>;
  /** Removes this incarnation if it was never released. No effect if it does not exist, even if another one does. */
  discard(jobId: string, incarnation: Incarnation, signal: AbortSignal): Promise<void>;
  /**
   * Waits until the phase has ended or can never start. The phase of a job that does not exist was `killed` as `lost`. `tell`
   * is called with what keeps the phase from starting, and with undefined once it runs.
   */
  awaitPhase(
    jobId: string,
    phase: string,
    signal: AbortSignal,
    tell?: (what: string | undefined) => void,
  ): Promise<PhaseResult>;
  /** Reads what the platform still has of the phase's output. Throws the fault `missing` if the job does not exist. */
  readLog(
    jobId: string,
    phase: string,
    offset: number,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array | LogGap>;
  /**
   * The signed host results that the phase has left apart from its output, in case the end of that is lost, or the database
   * was restored from a backup that lacks them. Undefined if there are none.
   */
  findResults(jobId: string, phase: string, signal: AbortSignal): Promise<string | undefined>;
  /** Sends SIGTERM, and SIGKILL after the job's grace time. Resolves when nothing runs. State and output stay readable. */
  stop(jobId: string, signal: AbortSignal): Promise<void>;
  /** Removes the job and everything that was made for it. */
  remove(jobId: string, signal: AbortSignal): Promise<void>;
  find(jobId: string, signal: AbortSignal): Promise<JobSummary | undefined>;
  /** All jobs of this deployment that this runner holds. */
  list(signal: AbortSignal): AsyncIterable<JobSummary>;
}
