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
  /** Absent where it has not ended, or nobody saw it end. */
  readonly endedAt?: string;
}

/** Output that the platform had and has not any more; what follows is later output. */
export interface LogGap {
  readonly lostBytes: number;
}

/** What a job carries beside its plan. Values of secrets never enter `Job`. */
export interface Launch {
  readonly job: Job;
  readonly files: StagedFiles;
  /** Of clones from sources: name → content, beside what every clone is given. */
  readonly cloneSecrets?: Readonly<Record<string, string>>;
  /** Name of a file in the configured directory of Ansible configurations; absent = the default one. */
  readonly ansibleConfig?: string;
  /** The bearer token by which the job delivers to the API. */
  readonly token: string;
  /** By which playbooks of a tenant open the tenant's secrets. */
  readonly vaultToken?: string;
  /** Opens the images of an image session: `ssh/id_image` in the workspace. */
  readonly imageKey?: ImageKey;
}

/** Executes jobs. Every method may be repeated, and may be called by another process than the one that launched. */
export interface Runner {
  /** Prepares the job without running anything. If it is there already, that one is returned. */
  prepare(launch: Launch, signal: AbortSignal): Promise<Incarnation>;
  /** Lets exactly this incarnation run; repeating it changes nothing, after `stop` it has no effect. Gone: fault `missing`. */
  release(jobId: string, incarnation: Incarnation, signal: AbortSignal): Promise<void>;
  /** Removes a prepared incarnation that was never released; not there, or another one: no effect. */
  discard(jobId: string, incarnation: Incarnation, signal: AbortSignal): Promise<void>;
  /**
   * Waits until the phase has ended or can never start. A job that is not there: `killed: lost`. `tell`: what keeps it from
   * starting, whenever it is looked at; undefined: it runs.
   */
  awaitPhase(
    jobId: string,
    phase: string,
    signal: AbortSignal,
    tell?: (what: string | undefined) => void,
  ): Promise<PhaseResult>;
  /** What the platform still holds of the phase's output from `offset` on. The job is not there: fault `missing`. */
  readLog(
    jobId: string,
    phase: string,
    offset: number,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array | LogGap>;
  /** SIGTERM to what runs, SIGKILL after the job's grace time; resolves when nothing runs. Status and output stay readable. */
  stop(jobId: string, signal: AbortSignal): Promise<void>;
  /** Leaves nothing behind. */
  remove(jobId: string, signal: AbortSignal): Promise<void>;
  find(jobId: string, signal: AbortSignal): Promise<JobSummary | undefined>;
  /** Every job of this deployment that this runner holds. */
  list(signal: AbortSignal): AsyncIterable<JobSummary>;
}
