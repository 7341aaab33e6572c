import { fileURLToPath } from 'node:url';
import type { Config } from '../config.js';
import type { IssueToken } from '../runner/account-token.js';
import type { LocalRunner } from '../runner/local.js';
import type { Runner } from '../runner/runner.js';
import type { Logger } from './logger.js';

/** Where jobs run, and which workers may launch, watch and stop them. */
export interface JobPlatform {
  readonly runner: Runner & Partial<Pick<LocalRunner, 'removeLeftovers'>> & { close(): void };
  /** Present if jobs live on the machine that launched them. */
  readonly machine?: string;
  /** Observers of phases have their own queue, so that nothing else waits for their slots. */
  readonly phaseQueue: string;
  /** Present if only this machine can launch and stop its jobs. */
  readonly controlQueue?: string;
  readonly jobRetentionSeconds: number;
  /** Milliseconds since the watch was last known to hear everything. Absent if files and processes are watched. */
  readonly watchAge?: () => number;
  /** Absent without Kubernetes. */
  readonly issueToken?: IssueToken;
}

export interface PlatformOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly deploymentId: string;
  /** URL at which jobs reach the API. */
  readonly jobUrl: string;
  /** Replaces the runner of local processes. */
  readonly runner?: LocalRunner;
}

/** Directory that contains the package `job`. */
export const JOB_SOURCE = fileURLToPath(new URL('../..', import.meta.url));
