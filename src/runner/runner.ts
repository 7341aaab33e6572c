import type { ImageKey } from '../core/image.js';
import type { Job, PhaseResult } from '../core/job.js';

/** What would run: the Kubernetes Job's uid, or a random name written into the job's directory. */
export type Incarnation = string;

/** Name → gzip-compressed content. `inventory` becomes `hosts/01-cfs-generated.yaml`. */
export type StagedFiles = Readonly<Record<string, Uint8Array>>;

export interface JobSummary {
  readonly jobId: string;
  readonly incarnation: Incarnation;
  readonly state: 'prepared' | 'running' | 'ended';
  /** Absent where the job has not ended, or nobody saw it end. */
  readonly endedAt?: string;
}

/**
 * Stands in a log for output that the platform has lost. What follows it is later output. `rotated`: it had begun a new file
 * before that was read; `cut`: it never kept the end.
 */
export interface LogGap {
  readonly lostBytes: number;
  readonly why: 'rotated' | 'cut';
}

/** What a job carries beside its plan. Values of secrets never enter `Job`. */
export interface Launch {
  readonly job: Job;
  readonly files: StagedFiles;
  /** File name → content: what clones from sources need beside what every clone is given. */
  readonly cloneSecrets?: Readonly<Record<string, string>>;
  /** Name of a file in the configured directory of Ansible configurations; absent = the default one. */
  readonly ansibleConfig?: string;
  /** The bearer token by which the job delivers to the API. */
  readonly token: string;
  /** The token by which a tenant's playbooks open the tenant's secrets in Vault. */
  readonly vaultToken?: string;
  /** The SSH key for the images of an image session; it becomes `ssh/id_image` in the workspace. */
  readonly imageKey?: ImageKey;
}

/** Executes jobs. Every method may be repeated, and may be called by another process than the one that launched. */
export interface Runner {
  /** Prepares the job without running anything. A job that is prepared already is returned as it is. */
  prepare(launch: Launch, signal: AbortSignal): Promise<Incarnation>;
  /**
   * Lets exactly this incarnation run. A repeat changes nothing, and after `stop` a release has no effect. An incarnation that
   * is not there any more is fault `missing`.
   */
  release(jobId: string, incarnation: Incarnation, signal: AbortSignal): Promise<void>;
  /** Removes this incarnation, which was prepared and never released. No effect where it is not there, or another one is. */
  discard(jobId: string, incarnation: Incarnation, signal: AbortSignal): Promise<void>;
  /**
   * Waits until the phase has ended or can never start. The phase of a job that is not there was `killed` as `lost`. `tell` is
   * called with what keeps the phase from starting, and with undefined while it runs.
   */
  awaitPhase(
    jobId: string,
    phase: string,
    signal: AbortSignal,
    tell?: (what: string | undefined) => void,
  ): Promise<PhaseResult>;
  /** What the platform still holds of the phase's output from `offset` on. A job that is not there is fault `missing`. */
  readLog(
    jobId: string,
    phase: string,
    offset: number,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array | LogGap>;
  /** Sends SIGTERM, and after the job's grace time SIGKILL. Resolves when nothing runs. Status and output stay readable. */
  stop(jobId: string, signal: AbortSignal): Promise<void>;
  /** Removes the job with everything that was made for it. */
  remove(jobId: string, signal: AbortSignal): Promise<void>;
  find(jobId: string, signal: AbortSignal): Promise<JobSummary | undefined>;
  /** Every job of this deployment that this runner holds. */
  list(signal: AbortSignal): AsyncIterable<JobSummary>;
}
