import { fileURLToPath } from 'node:url';
import type { Config } from '../config.js';
import type { IssueToken } from '../runner/account-token.js';
import type { LocalRunner } from '../runner/local.js';
import type { Runner } from '../runner/runner.js';
import type { Logger } from './logger.js';

/** Where jobs run, and who may touch them. */
export interface JobPlatform {
  readonly runner: Runner & Partial<Pick<LocalRunner, 'removeLeftovers'>> & { close(): void };
  /** Present where jobs live on the machine that launched them. */
  readonly machine?: string;
  /** Observers of phases have a queue of their own, so that nothing waits for their slots. */
  readonly phaseQueue: string;
  /** Present where only this machine can launch and stop its jobs. */
  readonly controlQueue?: string;
  readonly jobRetentionSeconds: number;
  /** Milliseconds since the watch was last known to hear everything; absent where files and processes are watched. */
  readonly watchAge?: () => number;
  /** Absent where there is no Kubernetes. */
  readonly issueToken?: IssueToken;
}

export interface PlatformOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly deploymentId: string;
  /** Where jobs reach the API. */
  readonly jobUrl: string;
  /** Instead of processes on this machine. */
  readonly runner?: LocalRunner;
}

/** Where the package `job` is. */
export const JOB_SOURCE = fileURLToPath(new URL('../..', import.meta.url));
